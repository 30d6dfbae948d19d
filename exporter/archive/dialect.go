package archive

import (
	"fmt"
	"slices"
)

// Dialect says how a tenant's CSV members are to be read. The pages leave both
// points open; the zero value finds out per file.
type Dialect struct {
	// Header is "auto" (default), "present" (the first line is one) or "absent" (only
	// lines of the columns' names are). A line of names is never a record.
	Header string
	// Charset is "auto" (default: what a byte order mark says, else UTF-8 if the file is
	// valid UTF-8 but for a few cut characters, otherwise GB18030), "utf-8" or "gb18030".
	Charset string
}

// Validate reports a setting that is not known.
func (d Dialect) Validate() error {
	if !slices.Contains([]string{"", "auto", "present", "absent"}, d.Header) {
		return fmt.Errorf("header %q: want auto, present or absent", d.Header)
	}
	if !slices.Contains([]string{"", "auto", charsetUTF8, charsetGB18030}, d.Charset) {
		return fmt.Errorf("charset %q: want auto, utf-8 or gb18030", d.Charset)
	}
	return nil
}

// saysCharset reports whether the encoding is not to be found out.
func (d Dialect) saysCharset() bool { return d.Charset != "" && d.Charset != "auto" }

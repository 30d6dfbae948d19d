package softphone

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"aiccbridge/internal/platformsim/gateway/wire"
)

// MaxFile is how large a file of a chat may be.
const MaxFile = 8 << 20

// maxFiles is how many files are kept; then the oldest go.
const maxFiles = 64

// errNoFile refuses a path at which there is no file.
var errNoFile = errors.New("there is no such file")

// Files are those that agents have sent in chats. The zero value has none.
type Files struct {
	mu    sync.Mutex
	sent  int
	kept  map[string][]byte
	order []string // the oldest first
}

// keep returns the path of a file from now on.
func (f *Files) keep(call, name string, content []byte) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	at := path.Join("/chat", call, strconv.Itoa(f.sent), path.Base(path.Clean("/"+name)))
	if f.kept == nil {
		f.kept = map[string][]byte{}
	}
	f.kept[at], f.order = content, append(f.order, at)
	if len(f.order) > maxFiles {
		delete(f.kept, f.order[0])
		f.order = f.order[1:]
	}
	return at
}

func (f *Files) at(path string) ([]byte, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, ok := f.kept[path]
	return content, ok
}

// MaxBody is how large a request may be: as others are, or with a file.
func MaxBody(r *http.Request, others int64) int64 {
	if isFile(r) {
		return MaxFile + others
	}
	return others
}

// isFile reports a request that brings a file.
func isFile(r *http.Request) bool {
	return strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "multipart/")
}

// upload sends the first file of a form in a chat: whoever is at the other end gets a message that
// names its path, as a JSON text in chatContent. The answer names it, too; its form is ours.
func upload(files *Files) func(ask) (json.RawMessage, error) {
	return func(a ask) (json.RawMessage, error) {
		form, err := a.r.MultipartReader()
		if err != nil {
			return nil, errParameter
		}
		for {
			part, err := form.NextPart()
			if err != nil {
				return nil, errParameter // it has no file, or is none
			}
			if part.FileName() == "" {
				continue
			}
			content, err := io.ReadAll(io.LimitReader(part, MaxFile+1))
			if err != nil || len(content) > MaxFile {
				return nil, errParameter
			}
			at := files.keep(a.get("callId"), part.FileName(), content)
			said := wire.Object(wire.Member("filePath", wire.Text(at)))
			if err := a.phone.Say(a.get("callId"), string(said)); err != nil {
				return nil, err
			}
			return said, nil
		}
	}
}

// download answers with a file, not with an envelope.
func download(files *Files) func(ask) error {
	return func(a ask) error {
		content, ok := files.at(a.get("filePath"))
		if !ok {
			return errNoFile
		}
		a.reply.File = content
		return nil
	}
}

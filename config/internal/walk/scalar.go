package walk

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/secret"
)

// Set parses text by the type of the field, then holds it to the field's tags.
func (d *Decoder) Set(key, text string, v reflect.Value, field reflect.StructField) {
	f := d.assign(key, text, v.Addr().Interface())
	if f == nil {
		f = d.checkTags(text, v, field.Tag)
	}
	if f != nil {
		d.ReportAt(key, d.Where(key), f)
	}
}

func (d *Decoder) assign(key, text string, target any) (f *scalar.Fault) {
	switch t := target.(type) {
	case *string:
		if *t = text; strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_dir") {
			*t = d.path(text)
		}
	case *bool:
		*t, f = scalar.Bool(text)
	case *int:
		*t, f = scalar.Int(text)
	case *scalar.Size:
		*t, f = scalar.ParseSize(text)
	case *time.Duration:
		*t, f = scalar.Duration(text)
	case *time.Time:
		*t, f = scalar.Time(text)
	case **time.Location:
		*t, f = scalar.Zone(text)
	case *scalar.WrittenZone:
		*t, f = scalar.ParseWrittenZone(text)
	case **url.URL:
		*t, f = scalar.URL(text)
	case *netip.Prefix:
		*t, f = scalar.Network(text)
	case *secret.Secret:
		*t, f = d.secret(key, d.path(text))
	default:
		f = scalar.Faultf("report this", "values of type %T are not supported", target)
	}
	return f
}

// checkTags holds a parsed value to oneof, match, min and max.
func (d *Decoder) checkTags(text string, v reflect.Value, tag reflect.StructTag) *scalar.Fault {
	if words := tag.Get("oneof"); words != "" {
		list := strings.Split(words, "|")
		if !slices.Contains(list, text) {
			return scalar.Faultf("write one of "+strings.Join(list, ", "), "%q is not one of the possible words", text)
		}
	}
	if pattern := tag.Get("match"); pattern != "" && !d.pattern(pattern).MatchString(text) {
		return scalar.Faultf("write "+tag.Get("say"), "the value has a form that is not allowed")
	}
	least, most := tag.Get("min"), tag.Get("max")
	if least == "" || tag.Get("zero") != "" && v.Int() == 0 {
		return nil
	}
	if n := v.Int(); n >= Bound(least, v.Type()) && n <= Bound(most, v.Type()) {
		return nil
	}
	remedy := fmt.Sprintf("write a value from %s to %s", least, most)
	if off := tag.Get("zero"); off != "" {
		remedy += ", or 0 for " + off
	}
	if why := tag.Get("why"); why != "" {
		remedy += ": " + why
	}
	return scalar.Faultf(remedy, "%s is out of range", text)
}

// pattern is compiled once, not for each of thousands of agents.
func (d *Decoder) pattern(text string) *regexp.Regexp {
	if d.patterns == nil {
		d.patterns = map[string]*regexp.Regexp{}
	}
	if d.patterns[text] == nil {
		d.patterns[text] = regexp.MustCompile(text)
	}
	return d.patterns[text]
}

// Bound parses a tag; the test of the tags proves that it always can.
func Bound(text string, t reflect.Type) int64 {
	var d Decoder
	v := reflect.New(t)
	d.assign("", text, v.Interface())
	return v.Elem().Int()
}

package config

import (
	"cmp"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"aiccbridge/config/internal/scalar"
	"aiccbridge/config/internal/walk"
)

// Effective is the configuration as the bridge understood it: every key, with
// defaults filled in and paths resolved, in the form of the file. Secrets are
// shown by the file they came from, never by value.
func (c *Config) Effective() ([]byte, error) {
	return yaml.Marshal(values(reflect.ValueOf(c).Elem()))
}

// MarshalJSON is Effective as JSON.
func (c *Config) MarshalJSON() ([]byte, error) {
	return yaml.MarshalWithOptions(values(reflect.ValueOf(c).Elem()), yaml.JSON())
}

// String is Effective.
func (c *Config) String() string {
	text, err := c.Effective()
	if err != nil {
		return "config: " + err.Error()
	}
	return string(text)
}

func values(section reflect.Value) yaml.MapSlice {
	out := yaml.MapSlice{}
	for i, name := range walk.Keys(section.Type()) {
		v := section.Field(i)
		if name == "" || walk.IsOptionalSection(v.Type()) && v.IsNil() {
			continue
		}
		out = append(out, yaml.MapItem{Key: name, Value: value(v)})
	}
	return out
}

func value(v reflect.Value) any {
	switch {
	case walk.IsSection(v.Type()):
		return values(v)
	case walk.IsOptionalSection(v.Type()):
		return values(v.Elem())
	case v.Kind() == reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = value(v.Index(i))
		}
		return list
	case v.Kind() == reflect.Map:
		entries := yaml.MapSlice{}
		for _, k := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) }) {
			entries = append(entries, yaml.MapItem{Key: k.String(), Value: value(v.MapIndex(k))})
		}
		return entries
	}
	return text(v.Interface())
}

// text writes a scalar as the file would have it.
func text(v any) any {
	switch s := v.(type) {
	case int:
		if s == 0 { // left empty: no number's least is 0
			return ""
		}
	case netip.Prefix:
		return s.String()
	case time.Duration:
		return scalar.DurationString(s)
	case Size:
		return s.String()
	case Secret:
		return s.File()
	case WrittenZone:
		return s.String()
	case *time.Location:
		return s.String()
	case *url.URL:
		if s == nil {
			return ""
		}
		return s.String()
	case time.Time:
		if s.IsZero() {
			return ""
		}
		return s.Format(time.RFC3339)
	}
	return v
}

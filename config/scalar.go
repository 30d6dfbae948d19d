package config

import (
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// set parses text by the type of the field, then holds it to the field's tags.
func (d *decoder) set(key, text string, v reflect.Value, field reflect.StructField) {
	f := d.assign(key, text, v.Addr().Interface())
	if f == nil {
		f = checkTags(text, v, field.Tag)
	}
	if f != nil {
		d.reportAt(key, d.where(key), f)
	}
}

func (d *decoder) assign(key, text string, target any) (f *fault) {
	switch t := target.(type) {
	case *string:
		if *t = text; strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_dir") {
			*t = d.path(text)
		}
	case *bool:
		*t, f = parseBool(text)
	case *int:
		*t, f = parseInt(text)
	case *Size:
		*t, f = parseSize(text)
	case *time.Duration:
		*t, f = parseDuration(text)
	case *time.Time:
		*t, f = parseTime(text)
	case **time.Location:
		*t, f = parseZone(text)
	case **url.URL:
		*t, f = parseURL(text)
	case *netip.Prefix:
		*t, f = parseNetwork(text)
	case *Secret:
		*t, f = d.secret(key, d.path(text))
	default:
		f = faultf("report this", "values of type %T are not supported", target)
	}
	return f
}

// checkTags holds a parsed value to oneof, match, min and max.
func checkTags(text string, v reflect.Value, tag reflect.StructTag) *fault {
	if words := tag.Get("oneof"); words != "" {
		list := strings.Split(words, "|")
		if !slices.Contains(list, text) {
			return faultf("write one of "+strings.Join(list, ", "), "%q is not one of the possible words", text)
		}
	}
	if pattern := tag.Get("match"); pattern != "" && !regexp.MustCompile(pattern).MatchString(text) {
		return faultf("write "+tag.Get("say"), "the value has a form that is not allowed")
	}
	least, most := tag.Get("min"), tag.Get("max")
	if least == "" || tag.Get("zero") != "" && v.Int() == 0 {
		return nil
	}
	if n := v.Int(); n >= bound(least, v.Type()) && n <= bound(most, v.Type()) {
		return nil
	}
	remedy := fmt.Sprintf("write a value from %s to %s", least, most)
	if off := tag.Get("zero"); off != "" {
		remedy += ", or 0 for " + off
	}
	if why := tag.Get("why"); why != "" {
		remedy += ": " + why
	}
	return faultf(remedy, "%s is out of range", text)
}

// bound parses a tag; the test of the tags proves that it always can.
func bound(text string, t reflect.Type) int64 {
	var d decoder
	v := reflect.New(t)
	d.assign("", text, v.Interface())
	return v.Elem().Int()
}

func parseBool(text string) (bool, *fault) {
	if text != "true" && text != "false" {
		return false, faultf("write true or false", "%q is neither true nor false", text)
	}
	return text == "true", nil
}

func parseInt(text string) (int, *fault) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, faultf("write a whole number, for example 3", "%q is not a whole number", text)
	}
	return int(n), nil
}

var durationText = regexp.MustCompile(`^(-?)(?:(\d{1,6})d)?(.*)$`)

// parseDuration reads Go durations with days in front: 90m, 1h30m, 3d, 1d12h.
func parseDuration(text string) (time.Duration, *fault) {
	if text == "0" {
		return 0, nil
	}
	bad := faultf("write a number with a unit: 400ms, 15s, 30m, 6h or 3d", "%q is not a duration", text)
	m := durationText.FindStringSubmatch(text)
	if m == nil || strings.ContainsAny(m[3], "+-") || m[2] == "" && m[3] == "" {
		return 0, bad
	}
	var total time.Duration
	if m[3] != "" {
		d, err := time.ParseDuration(m[3])
		if err != nil {
			return 0, bad
		}
		total = d
	}
	if m[2] != "" {
		days, _ := strconv.Atoi(m[2]) // at most six digits
		if days > 100_000 || total > math.MaxInt64-time.Duration(days)*24*time.Hour {
			return 0, bad
		}
		total += time.Duration(days) * 24 * time.Hour
	}
	if m[1] != "" {
		total = -total
	}
	return total, nil
}

// durationString is the shortest text that parseDuration reads back.
func durationString(d time.Duration) string {
	s := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(s, zero) {
			s = strings.TrimSuffix(s, zero[1:])
		}
	}
	return s
}

// Size is a number of bytes, in the file as 500MiB or 2GiB.
type Size int64

var sizeUnits = []struct {
	name string
	size Size
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// String is the size in the largest unit that is exact.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && s%u.size == 0 {
			return strconv.FormatInt(int64(s/u.size), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

func parseSize(text string) (Size, *fault) {
	number, unit := text, Size(1)
	for _, u := range sizeUnits {
		if n, ok := strings.CutSuffix(text, u.name); ok {
			number, unit = n, u.size
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(unit) {
		return 0, faultf("write a whole number with KiB, MiB, GiB or TiB, for example 500MiB", "%q is not a size", text)
	}
	return Size(n) * unit, nil
}

func parseTime(text string) (time.Time, *fault) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, faultf("write date, time and offset, for example 2026-11-01T00:00:00+08:00", "%q is not a time", text)
	}
	return t, nil
}

// parseNetwork reads an address or a network (CIDR). An address is the network
// of itself alone.
func parseNetwork(text string) (netip.Prefix, *fault) {
	remedy := "write an address or a network, for example 192.0.2.7 or 192.0.2.0/24"
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return netip.Prefix{}, faultf(remedy, "%q is neither an IP address nor a network", text)
	case p.Addr().Is4In6():
		return netip.Prefix{}, faultf("write the network in the form of IPv4", "%q is an IPv4 network in the form of IPv6", text)
	case p != p.Masked():
		return netip.Prefix{}, faultf(fmt.Sprintf("write %s for the network, or %s for the address", p.Masked(), p.Addr()), "%s is an address within a network", text)
	}
	return p, nil
}

// parseURL accepts an absolute URL that other paths can be appended to. Its
// faults do not repeat the text, which may hold a password.
func parseURL(text string) (*url.URL, *fault) {
	example := "write it like https://host.example.com:8043/path"
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, faultf(example, "the value is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, faultf(example, "the URL does not begin with https://")
	case u.Hostname() == "":
		return nil, faultf(example, "the URL names no host")
	case u.User != nil:
		return nil, faultf("remove the part up to the @", "the URL holds a user name or password")
	case u.RawQuery != "" || u.ForceQuery:
		return nil, faultf("end the URL before the ?", "the URL has a query")
	case strings.Contains(text, "#"):
		return nil, faultf("end the URL before the #", "the URL has a fragment")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return nil, faultf("write a port from 1 to 65535", "the URL's port %s is out of range", port)
		}
	}
	return u, nil
}

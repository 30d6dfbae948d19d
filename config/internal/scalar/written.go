package scalar

import "time"

// WrittenZone is the zone in which the platform writes times: the tenant's, or a fixed one.
// The zero value is that of a key that was left out.
type WrittenZone struct {
	text     string
	location *time.Location // nil: the tenant's
}

// ParseWrittenZone reads tenant, utc or an IANA name.
func ParseWrittenZone(text string) (z WrittenZone, f *Fault) {
	switch text {
	case "tenant":
		return WrittenZone{text: text}, nil
	case "utc":
		return WrittenZone{text, time.UTC}, nil
	}
	z.text = text
	if z.location, f = Zone(text); f != nil {
		f.Remedy += " (tenant and utc are known, too)"
	}
	return z, f
}

// String is what was written.
func (z WrittenZone) String() string { return z.text }

// In is the zone for a tenant that is in a zone.
func (z WrittenZone) In(tenant *time.Location) *time.Location {
	if z.location == nil {
		return tenant
	}
	return z.location
}

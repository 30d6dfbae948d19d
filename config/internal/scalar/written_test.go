package scalar

import (
	"strings"
	"testing"
	"time"
)

func TestWrittenZones(t *testing.T) {
	tenant, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{"tenant": "Asia/Shanghai", "utc": "UTC", "UTC": "UTC", "Europe/Berlin": "Europe/Berlin"} {
		z, f := ParseWrittenZone(text)
		if f != nil || z.In(tenant).String() != want || z.String() != text {
			t.Errorf("%s: %v, %v, want %s", text, z.In(tenant), f, want)
		}
	}
	for _, text := range []string{"Local", "Tenant", "GMT+8"} {
		if z, f := ParseWrittenZone(text); f == nil || !strings.Contains(f.Remedy, "tenant and utc") {
			t.Errorf("%s: %v, %v", text, z, f)
		}
	}
	if (WrittenZone{}).In(tenant) != tenant {
		t.Error("a key that was left out is another zone")
	}
}

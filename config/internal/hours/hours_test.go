package hours

import (
	"fmt"
	"testing"
)

func TestDays(t *testing.T) {
	for text, want := range map[string]string{
		"mon": "[Monday]", "mon-fri": "[Monday Tuesday Wednesday Thursday Friday]", "SAT-mon": "[Saturday Sunday Monday]",
		"mon-sun": "[Monday Tuesday Wednesday Thursday Friday Saturday Sunday]", "sun": "[Sunday]",
	} {
		if days, f := Days(text); f != nil || fmt.Sprint(days) != want {
			t.Errorf("%s: %v, %v", text, days, f)
		}
	}
	for _, text := range []string{"", "monday", "mon-", "-fri", "mon-fri-sat", "mon fri"} {
		if days, f := Days(text); f == nil {
			t.Errorf("%q is taken for %v", text, days)
		}
	}
}

func TestSpans(t *testing.T) {
	for text, want := range map[string]string{
		"08:00-20:00": "[{8h0m0s 20h0m0s}]", "00:00-24:00": "[{0s 24h0m0s}]",
		"08:00-12:00, 13:00-17:30": "[{8h0m0s 12h0m0s} {13h0m0s 17h30m0s}]",
	} {
		if all, f := Spans(text); f != nil || fmt.Sprint(all) != want {
			t.Errorf("%s: %v, %v", text, all, f)
		}
	}
	for _, text := range []string{"", "8-20", "08:00", "08:00-", "20:00-08:00", "08:00-08:00", "8:00-20:00", "08:00-25:00", "08:00-24:30", "13:00-17:00, 08:00-12:00", "08:00-12:00, 11:00-13:00", "08:00-12:00,"} {
		if all, f := Spans(text); f == nil {
			t.Errorf("%q is taken for %v", text, all)
		}
	}
}

func TestDate(t *testing.T) {
	if f := Date("2027-02-28"); f != nil {
		t.Error(f)
	}
	for _, text := range []string{"", "2027-02-29", "01.01.2027", "2027-1-1"} {
		if Date(text) == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

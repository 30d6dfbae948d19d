package scalar

import (
	"strings"
	"time"
)

// Names to suggest for a mistyped zone: where the platform's contact centres
// are, and what else people type. Any IANA name is accepted.
var knownZones = strings.Fields(`UTC
	Asia/Shanghai Asia/Hong_Kong Asia/Taipei Asia/Singapore Asia/Kuala_Lumpur Asia/Jakarta Asia/Manila Asia/Bangkok
	Asia/Ho_Chi_Minh Asia/Tokyo Asia/Seoul Asia/Kolkata Asia/Dhaka Asia/Karachi Asia/Tashkent Asia/Almaty Asia/Dubai
	Asia/Riyadh Asia/Qatar Asia/Kuwait Asia/Baghdad Asia/Jerusalem Europe/Istanbul Europe/Moscow Europe/London
	Europe/Dublin Europe/Paris Europe/Berlin Europe/Madrid Europe/Rome Europe/Amsterdam Europe/Zurich Europe/Vienna
	Europe/Warsaw Europe/Athens Africa/Cairo Africa/Johannesburg Africa/Lagos Africa/Nairobi Africa/Casablanca
	America/Sao_Paulo America/Mexico_City America/Bogota America/Lima America/Santiago America/Argentina/Buenos_Aires
	America/New_York America/Chicago America/Denver America/Los_Angeles America/Toronto Australia/Sydney
	Australia/Perth Pacific/Auckland`)

// What is written where an IANA name belongs, in capitals.
var zoneNicknames = map[string]string{
	"CST": "Asia/Shanghai", "CHINA": "Asia/Shanghai", "BEIJING": "Asia/Shanghai", "ASIA/BEIJING": "Asia/Shanghai",
	"GMT+8": "Asia/Shanghai", "UTC+8": "Asia/Shanghai", "+08:00": "Asia/Shanghai", "+8": "Asia/Shanghai",
	"HKT": "Asia/Hong_Kong", "SGT": "Asia/Singapore", "JST": "Asia/Tokyo", "IST": "Asia/Kolkata", "CEST": "Europe/Berlin",
	"BST": "Europe/London", "MSK": "Europe/Moscow", "BRT": "America/Sao_Paulo", "EDT": "America/New_York", "PST": "America/Los_Angeles",
}

func Zone(text string) (*time.Location, *Fault) {
	if text == "Local" {
		return nil, Faultf("write the IANA name, for example Asia/Shanghai", "the zone of this machine is not necessarily the contact centre's")
	}
	zone, err := time.LoadLocation(text)
	if err == nil {
		return zone, nil
	}
	suggestion, ok := zoneNicknames[strings.ToUpper(text)]
	if !ok {
		suggestion = nearestZone(text)
	}
	return nil, Faultf("write an IANA name; did you mean "+suggestion+"?", "%q is not a time zone", text)
}

// nearestZone also compares the city alone: "Shanghai", "China/Shanghai".
func nearestZone(text string) string {
	best, least := Nearest(text, knownZones)
	city := text[strings.LastIndex(text, "/")+1:]
	for _, z := range knownZones {
		if _, edits := Nearest(city, []string{z[strings.LastIndex(z, "/")+1:]}); edits < least {
			best, least = z, edits
		}
	}
	return best
}

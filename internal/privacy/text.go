package privacy

import (
	"bytes"
	"regexp"
)

// looksLikeNumber finds seven digits and more, as phone numbers are written: with
// blanks, points, hyphens and brackets between them; with NULs, as in UTF-16. An
// hmac is found as a whole, so that the digits in it are left alone.
var looksLikeNumber = regexp.MustCompile(hashPrefix + `[0-9a-f]{32}|[0-9](?:[ ().\x00-]{0,3}[0-9]){6,}`)

// Text masks all in text that looks like a phone number: of seven digits and more
// the first 3 and the last 2 stay. It is for what cannot be decoded, where no field
// has a name; so it takes away too much (call ids, times), and it leaves shorter
// numbers, such as those of extensions. A policy that keeps everything does
// nothing here; neither writes to b.
func (p *Policy) Text(b []byte) []byte {
	if !p.Active() {
		return b
	}
	return looksLikeNumber.ReplaceAllFunc(b, func(run []byte) []byte {
		if bytes.HasPrefix(run, []byte(hashPrefix)) {
			return run
		}
		return maskDigits(bytes.Clone(run))
	})
}

func maskDigits(run []byte) []byte {
	var digits []int
	for i, c := range run {
		if c >= '0' && c <= '9' {
			digits = append(digits, i)
		}
	}
	for _, i := range digits[keptBefore : len(digits)-keptAfter] {
		run[i] = '*'
	}
	return run
}

// Package digest sums up what a document says, member by member, so that two digests tell
// which members of their documents differ. It imports nothing of ours.
package digest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// hashBytes is how many bytes of a member's hash are in a digest.
const hashBytes = 4

// Of sums up an object: for each of the members named 8 hex digits of a hash, or "-" where it
// is absent.
func Of(object any, members []string) (string, error) {
	data, err := json.Marshal(object)
	if err != nil {
		return "", fmt.Errorf("encode what is summed up: %w", err)
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(data, &values); err != nil {
		return "", fmt.Errorf("take apart what is summed up: %w", err)
	}
	var digest []byte
	for _, name := range members {
		value, there := values[name]
		if !there {
			digest = append(digest, '-')
			continue
		}
		sum := sha256.Sum256(value)
		digest = hex.AppendEncode(digest, sum[:hashBytes])
	}
	return string(digest), nil
}

// Changed names the members in which two digests differ.
func Changed(before, after string, members []string) (changed []string) {
	for _, name := range members {
		var a, b string
		a, before = cutHash(before)
		b, after = cutHash(after)
		if a != b {
			changed = append(changed, name)
		}
	}
	return changed
}

// cutHash takes the first member's hash off a digest; a digest that has ended, as an older
// one may, is one of absent members.
func cutHash(digest string) (hash, rest string) {
	switch {
	case digest == "":
		return "-", ""
	case digest[0] == '-':
		return "-", digest[1:]
	}
	end := min(2*hashBytes, len(digest))
	return digest[:end], digest[end:]
}

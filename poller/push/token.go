package push

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// tokens make and check what the gateway shows with the pushes of an agent that the bridge
// signs in:
//
//	token = base32(agent, time of issue, HMAC over these and the tenant)
//
// It says by itself whose it is, so that any bridge with the same key can check it, also
// before the sign-in is answered and after a restart. Letters and digits, 45 characters: the
// gateway takes 50, without special characters (cec_07_1202).
type tokens struct {
	key    []byte
	tenant string
}

const (
	tokenNames = 1 + 5 + 6 // digits of the agent's id, the id, time of issue (ms)
	tokenProof = 16
	tokenChars = ((tokenNames+tokenProof)*8 + 4) / 5
	maxAgent   = 1<<40 - 1 // more than ten digits
)

// issue makes a token of an agent, whose id is one to ten digits. No two are alike but those
// of one millisecond.
func (t tokens) issue(agent string, at time.Time) string {
	n, err := strconv.ParseUint(agent, 10, 64)
	if err != nil || n > maxAgent {
		return "" // the gateway's client refuses such an agent
	}
	names := append([]byte{byte(len(agent))}, binary.BigEndian.AppendUint64(nil, n)[3:]...)
	names = append(names, binary.BigEndian.AppendUint64(nil, uint64(at.UnixMilli()))[2:]...)
	return sumText.EncodeToString(append(names, t.proof(names)...))
}

func (t tokens) proof(names []byte) []byte {
	proof := hmac.New(sha256.New, t.key)
	proof.Write(append([]byte("push token"), names...))
	proof.Write([]byte(t.tenant))
	return proof.Sum(nil)[:tokenProof]
}

// pass is what a genuine token says.
type pass struct {
	agent   string // "": any of the tenant
	at      time.Time
	address bool // it stood in the address, a pushUrl's
}

// check returns what a token says, if it is genuine.
func (t tokens) check(text string) (p pass, ok bool) {
	if len(text) != tokenChars {
		return pass{}, false
	}
	b, err := sumText.DecodeString(text)
	if err != nil || len(b) != tokenNames+tokenProof || !hmac.Equal(t.proof(b[:tokenNames]), b[tokenNames:]) {
		return pass{}, false
	}
	number := func(b []byte) uint64 { return binary.BigEndian.Uint64(append(make([]byte, 8-len(b)), b...)) }
	agent := fmt.Sprintf("%0*d", b[0], number(b[1:6]))
	return pass{agent: agent, at: time.UnixMilli(int64(number(b[6:tokenNames])))}, true
}

// admits reports whether a token is one of the tenant's secrets, in a time that does not tell
// how much of one was right, nor which.
func admits(secrets []string, token string) bool {
	got := sha256.Sum256([]byte(token))
	good := 0
	for _, s := range slices.DeleteFunc(slices.Clone(secrets), func(s string) bool { return s == "" }) {
		want := sha256.Sum256([]byte(s))
		good |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	return good == 1
}

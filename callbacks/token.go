package callbacks

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"net/url"
	"slices"
	"time"

	"aiccbridge/schemas"
)

// Tokens makes and checks the secrets that stand at the end of the addresses
// which the platform is told to call, one for each request:
//
//	<public URL>/<token>
//	token = base32(kind, window, time of the request, HMAC over these and the tenant)
//
// A token names its request by itself, so that any bridge with the same key can
// take the callback, also while the ledger cannot be read, and however late a
// repeat comes. It proves that the bridge asked for the file; it does not replace
// the signature. The zero value is of no use; see [NewTokens].
type Tokens struct{ keys [][]byte }

const (
	minTokenKey = 16            // bytes
	tokenNames  = 1 + 5 + 3 + 6 // kind, begin (s), length (s), time of the request (ms)
	tokenProof  = 16            // bytes of the HMAC: 128 bits
	tokenChars  = (tokenNames+tokenProof)*8/5 + 1
)

var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// NewTokens takes the secret keys, at least 16 bytes each. The first makes
// tokens; all of them check, so that a key can be replaced.
func NewTokens(keys ...[]byte) (*Tokens, error) {
	if len(keys) == 0 || slices.ContainsFunc(keys, func(k []byte) bool { return len(k) < minTokenKey }) {
		return nil, errors.New("callbacks: a path token needs a key of at least 16 bytes")
	}
	return &Tokens{keys}, nil
}

// URL is the address that the platform is to call for one request. A nil Tokens
// returns the public URL itself.
func (t *Tokens) URL(public *url.URL, tenant string, r schemas.WindowRequest) string {
	if t == nil {
		return public.String()
	}
	return withToken(public, token(t.keys[0], tenant, r)).String()
}

func withToken(public *url.URL, token string) *url.URL {
	u := *public
	u.Path = cmp.Or(u.Path, "/") // or the joined path would not begin with one
	return u.JoinPath(token)
}

// check returns the request and the tenant that a token was made for, of those
// given.
func (t *Tokens) check(text string, tenants []string) (tenant string, r schemas.WindowRequest, ok bool) {
	r, named := readToken(text)
	if !named {
		return "", r, false
	}
	for _, name := range tenants {
		for _, key := range t.keys {
			if subtle.ConstantTimeCompare([]byte(token(key, name, r)), []byte(text)) == 1 {
				tenant, ok = name, true
			}
		}
	}
	return tenant, r, ok
}

// token spells out one request and proves it under a key.
func token(key []byte, tenant string, r schemas.WindowRequest) string {
	number := binary.BigEndian
	names := []byte{byte(slices.Index(schemas.Kinds(), r.Kind))}
	names = append(names, number.AppendUint64(nil, uint64(r.Window.From.Unix()))[3:]...)
	names = append(names, number.AppendUint32(nil, uint32(r.Window.To.Sub(r.Window.From)/time.Second))[1:]...)
	names = append(names, number.AppendUint64(nil, uint64(r.At.UnixMilli()))[2:]...)
	proof := hmac.New(sha256.New, key)
	proof.Write(append([]byte("callback path"), names...))
	proof.Write([]byte(tenant))
	return tokenText.EncodeToString(append(names, proof.Sum(nil)[:tokenProof]...))
}

// readToken reads what a token names; whether it is genuine is not known yet.
func readToken(text string) (r schemas.WindowRequest, ok bool) {
	if len(text) != tokenChars {
		return r, false
	}
	b, err := tokenText.DecodeString(text)
	if err != nil || int(b[0]) >= len(schemas.Kinds()) {
		return r, false
	}
	number := func(from, to int) (n int64) {
		for _, c := range b[from:to] {
			n = n<<8 | int64(c)
		}
		return n
	}
	r.Kind = schemas.Kinds()[b[0]]
	r.Window.From = time.Unix(number(1, 6), 0).UTC()
	r.Window.To = r.Window.From.Add(time.Duration(number(6, 9)) * time.Second)
	r.At = time.UnixMilli(number(9, tokenNames)).UTC()
	return r, r.Validate() == nil
}

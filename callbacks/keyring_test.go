package callbacks

import (
	"testing"
	"testing/synctest"
	"time"

	"aiccbridge/internal/c2sign"
)

// TestKeyring: a key that was replaced is good for two hours more, beside the new one or, when
// its access key has gone, for the tenants that it was of.
func TestKeyring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := func(access, secret string) Account {
			return Account{c2sign.NewKey(access, secret), []Tenant{{Name: "of " + access}}}
		}
		var k Keyring
		is := func(when, access string, secrets ...string) {
			t.Helper()
			var got []string
			for _, key := range k.Keys(access) {
				got = append(got, key.Reveal())
			}
			if len(got) != len(secrets) || len(got) > 0 && got[0] != secrets[0] || len(got) > 1 && got[1] != secrets[1] {
				t.Errorf("%s: the keys of %s are %v, want %v", when, access, got, secrets)
			}
		}
		k.Set([]Account{account("a", "1"), account("b", "1")})
		k.Set([]Account{account("a", "1"), account("b", "1")})
		is("the same again", "a", "1")
		of := k.Set([]Account{account("a", "2"), account("c", "1")})
		is("rotated", "a", "2", "1")
		is("gone", "b", "1")
		is("new", "c", "1")
		is("unknown", "d")
		if len(of) != 3 || of["b"][0].Name != "of b" || of["c"][0].Name != "of c" {
			t.Errorf("the tenants are %v", of)
		}
		time.Sleep(keptFor - time.Second) // virtual
		is("before two hours are over", "a", "2", "1")
		time.Sleep(time.Second) // virtual
		is("after two hours", "a", "2")
		is("after two hours", "b")
		if of := k.Set([]Account{account("a", "2"), account("c", "1")}); len(of) != 2 {
			t.Errorf("the tenants are %v", of)
		}
	})
}

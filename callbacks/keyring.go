package callbacks

import (
	"slices"
	"sync"
	"time"

	"aiccbridge/internal/c2sign"
)

// keptFor is how long a key that was replaced is still good: the platform repeats a callback
// for an hour and more, and extracts that were asked for under the old key are under way.
const keptFor = 2 * time.Hour

// Account is a key, and the tenants that ask for files under it.
type Account struct {
	Key     c2sign.Key
	Tenants []Tenant
}

// Keyring is the keys that callbacks may be signed with: those of now, and for two hours those
// that they replaced. Safe for concurrent use.
type Keyring struct {
	mu       sync.Mutex
	accounts []Account
	replaced []replaced
}

type replaced struct {
	Account
	until time.Time
}

// Set makes these the accounts of now, and returns the tenants of all access keys, for
// [Options] and [Handler.Know].
func (k *Keyring) Set(accounts []Account) map[string][]Tenant {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	k.replaced = slices.DeleteFunc(k.replaced, func(r replaced) bool { return !r.until.After(now) })
	for _, before := range k.accounts {
		if !slices.ContainsFunc(accounts, func(a Account) bool { return a.Key.Fingerprint() == before.Key.Fingerprint() }) {
			k.replaced = append(k.replaced, replaced{before, now.Add(keptFor)})
		}
	}
	k.accounts = accounts
	of := map[string][]Tenant{}
	for _, r := range k.replaced {
		of[r.Key.AccessKey] = r.Tenants
	}
	for _, a := range accounts {
		of[a.Key.AccessKey] = a.Tenants
	}
	return of
}

// Keys are those of an access key that are good now, for [Options].
func (k *Keyring) Keys(accessKey string) (all []c2sign.Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, a := range k.accounts {
		if a.Key.AccessKey == accessKey {
			all = append(all, a.Key)
		}
	}
	now := time.Now()
	for _, r := range k.replaced {
		if r.Key.AccessKey == accessKey && r.until.After(now) {
			all = append(all, r.Key)
		}
	}
	return all
}

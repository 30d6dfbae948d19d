package ccfs

import (
	"testing"

	"aiccbridge/internal/c2sign"
)

// TestKeyIsChanged: the next call is signed with the new key, at once even after the old one
// was refused, by siblings as well; a lock of our address lasts. No error shows either secret.
func TestKeyIsChanged(t *testing.T) {
	var r refusing
	r.set(reply(401, asJSON, sample(t, "unauthorized.json")))
	p := newPlatform(t, r.ServeHTTP)
	c := p.client()
	sibling := p.client(func(o *Options) { o.Sibling = c })
	_, _ = query(t, c), query(t, c)
	if e := asError(t, query(t, c)); !e.Local {
		t.Fatalf("calls go on: %v", e)
	}
	if take, err := c.ChangeKey(testKey); err != nil {
		t.Error(err)
	} else if take(); !asError(t, query(t, c)).Local {
		t.Error("the key that was refused is tried again")
	}
	r.set(reply(200, asJSON, sample(t, "query_success.json")))
	next := c2sign.NewKey("another", "hush-hush-hush")
	p.mu.Lock()
	p.key = next // the platform, which looks at signatures, knows no other any more
	p.mu.Unlock()
	for _, client := range []*Client{c, sibling} {
		take, err := client.ChangeKey(next)
		if err != nil {
			t.Fatal(err)
		}
		take()
		if err := query(t, client); err != nil {
			t.Errorf("after the change: %v", err)
		}
	}
	if _, err := c.ChangeKey(c2sign.Key{}); err == nil {
		t.Error("no key is taken for one")
	}
	if hidden := c.hide("hush-hush-hush " + testKey.Reveal()); hidden != "*** ***" {
		t.Errorf("it says %s", hidden)
	}
	c.circuit.open(Locked, c.options.LockPause)
	take, _ := c.ChangeKey(testKey)
	if take(); asError(t, query(t, c)).Class != Locked {
		t.Error("a lock does not last")
	}
}

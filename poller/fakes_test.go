package poller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"aiccbridge/internal/ccgateway"
	"aiccbridge/schemas"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// entry is one thing that happened, in the order in which it did.
type journalEntry struct {
	at   time.Time
	what string // "ask", "answer", "stored", "sign in", "force", "reset skills", "sign out", "session entry", …
	who  string // agent or subject
	text string // outcome, message id, …
}

// journal is shared by all fakes of a test.
type journal struct {
	mu      sync.Mutex
	entries []journalEntry
}

func (j *journal) add(what, who, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, journalEntry{time.Now(), what, who, text})
}

func (j *journal) of(what ...string) []journalEntry {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []journalEntry
	for _, e := range j.entries {
		for _, w := range what {
			if e.what == w {
				out = append(out, e)
			}
		}
	}
	return out
}

// fakeStore keeps messages; refuse, if set, is asked before.
type fakeStore struct {
	j      *journal
	mu     sync.Mutex
	kept   []schemas.Message
	refuse func(schemas.Message) error
}

func (f *fakeStore) Publish(ctx context.Context, m schemas.Message) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		if err := f.refuse(m); err != nil {
			return err
		}
	}
	f.kept = append(f.kept, m)
	f.j.add("stored", m.Subject, m.ID)
	return nil
}

func (f *fakeStore) setRefuse(refuse func(schemas.Message) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse = refuse
}

func (f *fakeStore) messages() []schemas.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]schemas.Message(nil), f.kept...)
}

// fakeBucket is a bucket in memory; fail, if set, is asked before each call.
type fakeBucket struct {
	j        *journal
	name     string
	mu       sync.Mutex
	values   map[string][]byte
	revs     map[string]uint64
	revision uint64
	fail     func(op string) error
	late     func() error         // asked after a swap was done
	hang     func(op string) bool // the call blocks until its context ends
}

// stuck blocks a call that is to hang; a bucket without a connection does.
func (b *fakeBucket) stuck(ctx context.Context, op string) error {
	b.mu.Lock()
	hang := b.hang != nil && b.hang(op)
	b.mu.Unlock()
	if !hang {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

func (b *fakeBucket) failing(op string) error {
	if b.fail == nil {
		return nil
	}
	return b.fail(op)
}

func (b *fakeBucket) Get(ctx context.Context, key string) ([]byte, uint64, error) {
	if err := b.stuck(ctx, "get"); err != nil {
		return nil, 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.values[key], b.revs[key], b.failing("get")
}

func (b *fakeBucket) Swap(ctx context.Context, key string, value []byte, revision uint64) (uint64, bool, error) {
	if err := b.stuck(ctx, "swap"); err != nil {
		return 0, false, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.failing("swap"); err != nil {
		return 0, false, err
	}
	if b.revs[key] != revision {
		return 0, false, nil
	}
	revision = b.set(key, value)
	if b.late != nil {
		if err := b.late(); err != nil {
			return 0, false, err
		}
	}
	return revision, true, nil
}

func (b *fakeBucket) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	if err := b.stuck(ctx, "put"); err != nil {
		return 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.failing("put"); err != nil {
		return 0, err
	}
	return b.set(key, value), nil
}

func (b *fakeBucket) set(key string, value []byte) uint64 {
	b.revision++
	b.values[key], b.revs[key] = value, b.revision
	b.j.add(b.name, key, string(value))
	return b.revision
}

func (b *fakeBucket) setFail(fail func(op string) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

// fakeSealer marks the text and numbers it, so that no two are equal.
type fakeSealer struct {
	mu sync.Mutex
	n  int
}

func (f *fakeSealer) Seal(plain []byte, context string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.n++
	return fmt.Sprintf("sealed:%d:%x:%s", f.n, plain, context), nil
}

func (f *fakeSealer) Open(sealed, context string) ([]byte, error) {
	var n int
	var plain []byte
	if _, err := fmt.Sscanf(sealed, "sealed:%d:%x:"+context, &n, &plain); err != nil {
		return nil, errors.New("not sealed here")
	}
	return plain, nil
}

// answer is what the gateway does with one poll.
type answer struct {
	after time.Duration // held for so long
	poll  ccgateway.Poll
	guid  string // Set-GUID of the answer
	lb    string // Set-Cookie of the answer
}

// fakeSession is the gateway as one agent sees it: it follows a script, then
// holds each poll for 10 s and answers that there is nothing.
type fakeSession struct {
	j  *journal
	id string

	mu          sync.Mutex
	script      []answer
	forever     *answer  // instead of the empty answer after the script
	signIns     []error  // results of the sign-ins, then success
	passwords   []string // of the sign-ins
	forces      []error
	skills      []error
	signOut     error
	status      ccgateway.Status
	statusHangs bool    // Status blocks until its context ends
	statuses    []error // results of Status, then success
	statusGUID  string  // told by Status
	updated     string  // GUID that UpdateGUID brings
	guid        string
	cookie      string
	minted      int
	inFlight    int
	crowd       int // the most polls in flight at once
	popped      int // events handed out, or dropped on a cancelled poll
}

func (f *fakeSession) Poll(ctx context.Context) ccgateway.Poll {
	f.mu.Lock()
	f.inFlight++
	f.crowd = max(f.crowd, f.inFlight)
	a := answer{after: 10 * time.Second, poll: ccgateway.Poll{Outcome: ccgateway.OutcomeEmpty, Code: "0"}}
	if len(f.script) > 0 {
		a, f.script = f.script[0], f.script[1:]
	} else if f.forever != nil {
		a = *f.forever
	}
	used := f.guid
	f.mu.Unlock()
	f.j.add("ask", f.id, used)
	a.poll.SentAt = time.Now()
	select {
	case <-ctx.Done():
		a.poll = ccgateway.Poll{SentAt: a.poll.SentAt, MayHaveLost: true, Err: ctx.Err()}
	case <-time.After(a.after):
	}
	a.poll.ReceivedAt = time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.inFlight--
	f.popped += len(a.poll.Events)
	f.guid, f.cookie = cmp.Or(a.guid, f.guid), cmp.Or(a.lb, f.cookie)
	f.j.add("answer", f.id, a.poll.Outcome.String())
	return a.poll
}

// then adds to the script while the pool runs.
func (f *fakeSession) then(answers ...answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = append(f.script, answers...)
}

// next takes the first of a list of results; the end of the list is success.
func (f *fakeSession) next(what string, list *[]error) error {
	f.j.add(what, f.id, "")
	if len(*list) == 0 {
		return nil
	}
	err := (*list)[0]
	*list = (*list)[1:]
	return err
}

func (f *fakeSession) enter(what string, list *[]error) (ccgateway.SignedIn, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.next(what, list); err != nil {
		return ccgateway.SignedIn{}, err
	}
	f.minted++
	f.guid = fmt.Sprintf("guid-%s-%d", f.id, f.minted)
	return ccgateway.SignedIn{LoginTime: time.UnixMilli(1471585949806), MediaType: "TTF", ServerName: "AgentGateway"}, nil
}

func (f *fakeSession) SignIn(_ context.Context, s ccgateway.SignIn) (ccgateway.SignedIn, error) {
	f.mu.Lock()
	f.passwords = append(f.passwords, s.Password)
	f.mu.Unlock()
	return f.enter("sign in", &f.signIns)
}

func (f *fakeSession) ForceSignIn(context.Context, ccgateway.SignIn) (ccgateway.SignedIn, error) {
	return f.enter("force", &f.forces)
}

func (f *fakeSession) ResetSkills(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next("reset skills", &f.skills)
}

func (f *fakeSession) SignOut(context.Context) error {
	f.j.add("sign out", f.id, "")
	return f.signOut
}

func (f *fakeSession) Status(ctx context.Context) (ccgateway.Status, error) {
	if f.statusHangs {
		<-ctx.Done()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.next("status", &f.statuses); err != nil {
		return ccgateway.Status{}, err
	}
	f.guid = cmp.Or(f.statusGUID, f.guid)
	return f.status, ctx.Err()
}

func (f *fakeSession) UpdateGUID(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.j.add("update guid", f.id, "")
	f.guid = cmp.Or(f.updated, f.guid)
	return nil
}

func (f *fakeSession) Resume(ticket string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.guid, f.cookie, _ = strings.Cut(ticket, "\n")
}

func (f *fakeSession) Ticket() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cookie == "" {
		return f.guid
	}
	return f.guid + "\n" + f.cookie
}

func (f *fakeSession) Move(string) error { return nil }

func (f *fakeSession) GUID() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.guid
}

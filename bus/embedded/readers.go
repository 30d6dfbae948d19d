package embedded

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats-server/v2/server"

	"aiccbridge/schemas"
)

// Each reader lives in an account of his own, which has no streams. What he needs
// of the hub's account is brought over, subject by subject. Permissions alone
// would not do: the server sends its answers to whatever subject a request names
// for them, so that within the streams' account everybody who may ask may also
// write into a stream, or purge it, by way of an answer; and no permission tells the
// consumers of one reader from those of another, whose names are theirs to choose.
const readersAccount = "READERS-"

// inbox is where answers and pushed messages of a reader go, as his client names
// it; pushTo is the same in the hub's account.
const inbox = "_INBOX."

func pushTo(user string) string { return "_READERS." + schemas.EncodeToken(user) + "." + inbox }

// readable are the streams open to readers: all but those of the sessions and of the proxy's clients.
func readable(n schemas.Names) (streams []string) {
	for _, s := range schemas.Streams() {
		streams = append(streams, n.Stream(s))
	}
	for _, b := range []schemas.Bucket{schemas.BucketWindows, schemas.BucketState, schemas.BucketSchemas, schemas.BucketPulse, schemas.BucketLeases} {
		streams = append(streams, n.BucketStream(b))
	}
	for _, b := range []schemas.Bucket{schemas.BucketQuarantine, schemas.BucketRecordings} {
		streams = append(streams, n.ObjectStream(b))
	}
	return streams
}

// microServices are where micro services say who they are, the bridge's among them.
const microServices = "$SRV.>"

// What a reader may call: once, and for each stream. Consumers are made and
// deleted at the desk, see there.
var (
	generalCalls = []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"}
	streamCalls  = []string{
		"$JS.API.STREAM.INFO.%s", "$JS.API.STREAM.MSG.GET.%s", "$JS.API.DIRECT.GET.%s", "$JS.API.DIRECT.GET.%s.>",
		"$JS.API.CONSUMER.NAMES.%s", "$JS.API.CONSUMER.LIST.%s", "$JS.API.CONSUMER.INFO.%s.*",
		"$JS.API.CONSUMER.MSG.NEXT.%s.*",
		"$JS.ACK.%s.>", "$JS.FC.%s.>",
	}
	deskCalls = []string{"CONSUMER.CREATE.%s", "CONSUMER.CREATE.%s.>", "CONSUMER.DURABLE.CREATE.%s.*", "CONSUMER.DELETE.%s.*"}
)

// fences keep readers off one another's consumers: in every account but the owner's, what
// is sent to the consumer is led astray.
type fences map[string]*server.Account // by the user's name

const (
	refusedCall = "CONSUMER.NOT_YOURS" // at the desk
	nowhere     = "_"
)

// around are the subjects of a consumer, and where they lead for those who do not own it.
func around(stream, consumer string) map[string]string {
	of := stream + "." + consumer
	return map[string]string{
		"$JS.API.CONSUMER.MSG.NEXT." + of: apiPrefix + refusedCall,
		"$JS.ACK." + of + ".>":            "$JS.ACK." + nowhere + ".>",
		"$JS.FC." + of + ".>":             "$JS.FC." + nowhere + ".>",
	}
}

func (f fences) raise(owner, stream, consumer string) error {
	for user, account := range f {
		if user == owner {
			continue
		}
		for subject, to := range around(stream, consumer) {
			if err := account.AddMapping(subject, to); err != nil {
				return fmt.Errorf("keep others off consumer %q of %s: %w", consumer, stream, err)
			}
		}
	}
	return nil
}

func (f fences) lower(stream, consumer string) {
	for _, account := range f {
		for subject := range around(stream, consumer) {
			account.RemoveMapping(subject)
		}
	}
}

// readerRights say what a reader may send and receive in his account. What is
// not brought over answers "no responders" anyhow.
func readerRights(n schemas.Names) *server.Permissions {
	deny := []string{n.Question("handover"), n.Question("handback")} // an answer holds a session
	for _, c := range n.Consumers() {
		of := n.Stream(c.Stream) + "." + c.Name
		deny = append(deny, "$JS.API.CONSUMER.MSG.NEXT."+of, "$JS.API.CONSUMER.DELETE."+of, "$JS.ACK."+of+".>", "$JS.FC."+of+".>")
	}
	return &server.Permissions{
		Publish: &server.SubjectPermission{
			Allow: []string{"$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$SYS.REQ.USER.INFO", microServices, n.Questions()},
			Deny:  deny,
		},
		Subscribe: &server.SubjectPermission{Allow: []string{inbox + ">", n.All()}},
	}
}

// openReaders makes the readers' accounts, and gives them what they may use of the hub.
func (d *door) openReaders(ns *server.Server, n schemas.Names) error {
	calls := map[string]string{apiPrefix + refusedCall: deskPrefix + refusedCall} // as readers name it, as the hub does
	for _, call := range append([]string{microServices, n.Questions()}, generalCalls...) {
		calls[call] = call
	}
	for _, stream := range readable(n) {
		for _, call := range streamCalls {
			call = fmt.Sprintf(call, stream)
			calls[call] = call
		}
		for _, call := range deskCalls {
			call = fmt.Sprintf(call, stream)
			calls[apiPrefix+call] = deskPrefix + call
		}
	}
	d.account, d.rights = ns.GlobalAccount(), readerRights(n)
	readers := map[string]*server.Account{}
	var only []*server.Account
	for _, u := range d.users {
		if u.Role != RoleReader {
			continue
		}
		account, err := ns.RegisterAccount(readersAccount + schemas.EncodeToken(u.Name))
		if err != nil {
			return fmt.Errorf("make an account for reader %s: %w", u.Name, err)
		}
		readers[u.Name], only = account, append(only, account)
	}
	if len(only) == 0 {
		d.readers = readers
		return nil
	}
	if err := offer(d.account, only, calls, n); err != nil {
		return err
	}
	for user, account := range readers {
		if err := bringOver(d.account, account, user, calls, n); err != nil {
			return fmt.Errorf("reader %s: %w", user, err)
		}
	}
	d.readers = readers
	return nil
}

// offer lets readers' accounts have what the hub has for them.
func offer(hub *server.Account, only []*server.Account, calls map[string]string, n schemas.Names) error {
	for _, to := range calls {
		// A pull is answered by many messages.
		if err := hub.AddServiceExportWithResponse(to, server.Streamed, only); err != nil {
			return fmt.Errorf("open %s to readers: %w", to, err)
		}
	}
	if err := hub.AddStreamExport(n.All(), only); err != nil {
		return fmt.Errorf("open messages as they come to readers: %w", err)
	}
	return nil
}

// bringOver gives a reader what is offered, and what is pushed to him alone.
func bringOver(hub, reader *server.Account, user string, calls map[string]string, n schemas.Names) error {
	for from, to := range calls {
		if err := reader.AddServiceImport(hub, from, to); err != nil {
			return fmt.Errorf("bring %s over: %w", from, err)
		}
		if !strings.HasPrefix(to, deskPrefix) {
			continue
		}
		if err := reader.SetServiceImportSharing(hub, to, true); err != nil { // the desk asks who it is
			return fmt.Errorf("say at %s who asks: %w", to, err)
		}
	}
	if err := reader.AddStreamImport(hub, n.All(), ""); err != nil {
		return fmt.Errorf("bring messages as they come over: %w", err)
	}
	if err := hub.AddStreamExport(pushTo(user)+">", []*server.Account{reader}); err != nil {
		return fmt.Errorf("open pushed messages: %w", err)
	}
	if err := reader.AddMappedStreamImport(hub, pushTo(user)+">", inbox+">"); err != nil {
		return fmt.Errorf("bring pushed messages over: %w", err)
	}
	return nil
}

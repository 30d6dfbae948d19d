package embedded

import (
	"fmt"

	"github.com/nats-io/nats-server/v2/server"

	"aiccbridge/schemas"
)

// Readers live in an account of their own, which has no streams. What they need
// of the hub's account is brought over, subject by subject. Permissions alone
// would not do: the server sends its answers to whatever subject a request names
// for them, so that within the streams' account everybody who may ask may also
// write into a stream, or purge it, by way of an answer.
const readersAccount = "READERS"

// fileConsumer is the workers' durable consumer, closed to readers.
const fileConsumer = "exporter"

// inbox is where answers and pushed messages of a reader go, as his client names
// it; pushPrefix + inbox is the same in the hub's account.
const (
	inbox      = "_INBOX."
	pushPrefix = "_READERS."
)

// readable are the streams open to readers: all but that of the sessions.
func readable(n schemas.Names) (streams []string) {
	for _, s := range []schemas.Stream{
		schemas.StreamEvents, schemas.StreamFiles, schemas.StreamRows, schemas.StreamCoverage, schemas.StreamDeadLetters,
	} {
		streams = append(streams, n.Stream(s))
	}
	for _, b := range []schemas.Bucket{schemas.BucketWindows, schemas.BucketState, schemas.BucketLeases} {
		streams = append(streams, "KV_"+n.Bucket(b))
	}
	for _, b := range []schemas.Bucket{schemas.BucketQuarantine, schemas.BucketRecordings} {
		streams = append(streams, "OBJ_"+n.Bucket(b))
	}
	return streams
}

// What a reader may call: once, and for each stream. Consumers are made through
// the gate, see there.
var (
	generalCalls = []string{"$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST"}
	streamCalls  = []string{
		"$JS.API.STREAM.INFO.%s", "$JS.API.STREAM.MSG.GET.%s", "$JS.API.DIRECT.GET.%s", "$JS.API.DIRECT.GET.%s.>",
		"$JS.API.CONSUMER.NAMES.%s", "$JS.API.CONSUMER.LIST.%s", "$JS.API.CONSUMER.INFO.%s.*",
		"$JS.API.CONSUMER.MSG.NEXT.%s.*", "$JS.API.CONSUMER.DELETE.%s.*",
		"$JS.ACK.%s.>", "$JS.FC.%s.>",
	}
	gatedCalls = []string{"CONSUMER.CREATE.%s", "CONSUMER.CREATE.%s.>", "CONSUMER.DURABLE.CREATE.%s.*"}
)

// readerRights say what a reader may send and receive in his account. What is
// not brought over answers "no responders" anyhow.
func readerRights(n schemas.Names) *server.Permissions {
	files := n.Stream(schemas.StreamFiles) + "." + fileConsumer
	return &server.Permissions{
		Publish: &server.SubjectPermission{
			Allow: []string{"$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "$SYS.REQ.USER.INFO"},
			Deny:  []string{"$JS.API.CONSUMER.MSG.NEXT." + files, "$JS.API.CONSUMER.DELETE." + files, "$JS.ACK." + files + ".>", "$JS.FC." + files + ".>"},
		},
		Subscribe: &server.SubjectPermission{Allow: []string{inbox + ">", n.All()}},
	}
}

// bringOver gives readers what they may use of the hub.
func bringOver(hub, readers *server.Account, n schemas.Names) error {
	calls := map[string]string{} // as readers name it, as the hub does
	for _, call := range generalCalls {
		calls[call] = call
	}
	for _, stream := range readable(n) {
		for _, call := range streamCalls {
			call = fmt.Sprintf(call, stream)
			calls[call] = call
		}
		for _, call := range gatedCalls {
			call = fmt.Sprintf(call, stream)
			calls[apiPrefix+call] = gatePrefix + call
		}
	}
	only := []*server.Account{readers}
	for from, to := range calls {
		// A pull is answered by many messages.
		if err := hub.AddServiceExportWithResponse(to, server.Streamed, only); err != nil {
			return fmt.Errorf("open %s to readers: %w", to, err)
		}
		if err := readers.AddServiceImport(hub, from, to); err != nil {
			return fmt.Errorf("bring %s over to readers: %w", from, err)
		}
	}
	if err := hub.AddStreamExport(n.All(), only); err != nil {
		return fmt.Errorf("open messages as they come to readers: %w", err)
	}
	if err := readers.AddStreamImport(hub, n.All(), ""); err != nil {
		return fmt.Errorf("bring messages as they come over to readers: %w", err)
	}
	if err := hub.AddStreamExport(pushPrefix+inbox+">", only); err != nil {
		return fmt.Errorf("open pushed messages to readers: %w", err)
	}
	if err := readers.AddMappedStreamImport(hub, pushPrefix+inbox+">", inbox+">"); err != nil {
		return fmt.Errorf("bring pushed messages over to readers: %w", err)
	}
	return nil
}

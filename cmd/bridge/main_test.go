package main

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"go.uber.org/goleak"

	"aiccbridge/internal/stopsignal"
)

// asBridge makes the test binary behave as the bridge: the tests run it as a
// child process, with the race detector in it.
const asBridge = "BRIDGE_TEST_RUN_AS_PROGRAM"

// asNATS makes it a nats-server with the configuration file that it names: a server that
// is killed and stopped has to be a process.
const asNATS = "BRIDGE_TEST_RUN_AS_NATS"

// asLonely makes it become the command of its arguments, in a network of its own.
const asLonely = "BRIDGE_TEST_RUN_ALONE"

func TestMain(m *testing.M) {
	if os.Getenv(asLonely) != "" {
		fmt.Fprintln(os.Stderr, runLonely(os.Args))
		os.Exit(exitFailed)
	}
	if path := os.Getenv(asNATS); path != "" {
		os.Exit(serveNATS(path))
	}
	if os.Getenv(asBridge) != "" {
		os.Exit(execute(os.Args[1:], os.Stdout, os.Stderr))
	}
	stopsignal.Release() // Ctrl-C ends the tests
	// The end-to-end tests mostly wait: for windows, and for what a fault delays. More at once
	// take so long to answer each other on two processors that they give up and try again, which
	// takes longer than it saves; -parallel on the command line still counts.
	_ = flag.Set("test.parallel", "8") // the flag exists
	// The client library's object store ends a publisher of its own after each Put. When
	// that is quicker than the start of the publisher's goroutine, this waits without end,
	// on a channel that is nil by then (nats.go 1.55.0).
	// The server forgets the store of a stream that is being made when it is shut down
	// (nats-server 2.15.2); the clock that stores share goes on with it.
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*fileStore).flushStreamStateLoop"),
		goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server/ats.Register.func1"))
}

func serveNATS(path string) (exit int) {
	o, err := server.ProcessConfigFile(path)
	if err == nil {
		var s *server.Server
		if s, err = server.NewServer(o); err == nil {
			s.ConfigureLogger()
			s.Start()
			s.WaitForShutdown()
			return exitOK
		}
	}
	fmt.Fprintln(os.Stderr, err)
	return exitFailed
}

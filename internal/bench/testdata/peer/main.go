// Package main is the peer that the bridge is held against: Bento, the fork that goes on
// with the engine of Redpanda Connect, with the parts that a file on its way into JetStream
// needs. It is a module of its own, so that what it needs is no part of the bridge.
package main

import (
	"context"

	_ "github.com/warpstreamlabs/bento/public/components/io"
	_ "github.com/warpstreamlabs/bento/public/components/nats"
	_ "github.com/warpstreamlabs/bento/public/components/pure"
	"github.com/warpstreamlabs/bento/public/service"
)

func main() { service.RunCLI(context.Background()) }

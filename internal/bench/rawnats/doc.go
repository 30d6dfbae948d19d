// Package rawnats has the simplest clients of NATS that can do what the bridge does: the
// protocol is written by hand, what is sent was made before, one connection, no retry. They
// are the floor that the bridge is held against, and no code of a product.
//
// It also runs a server with every write synced, in this process or as a process of its
// own, and reads messages back.
package rawnats

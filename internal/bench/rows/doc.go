// Package rows measures the way of a file into the stream: rows a second, CPU and memory,
// beside the simplest client that stores the same messages, and beside unzipping alone.
//
//	ZIP ─► platform ─HTTPS─► bridge ─► server (in it, or a second process) ─► stream
//	                                                        │ read back
//	                              raw client ◄─ the same messages
package rows

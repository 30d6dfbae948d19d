// Package platform is a lean stand-in for the contact centre, as a process of its own: a
// file store that hands out files that were made before, and a gateway whose agents get
// events at a rate. It answers as the platform does, over HTTPS, and does nothing else, so
// that it is no part of what is measured. The simulator (internal/platformsim) lives a
// whole contact centre, keeps the truth about it, and holds all rows in memory: that would
// be the bottleneck with five million rows or ten thousand agents.
package platform

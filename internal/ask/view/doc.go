// Package view shows answers to people at a terminal: tables, a calendar strip, stories, and
// messages as one line each. Of ours it imports schemas and internal/ask.
package view

// Package browsertest gives tests a real Chromium. All but this comment is built with the tag
// browser only, so that nothing else needs one. It imports nothing of ours.
package browsertest

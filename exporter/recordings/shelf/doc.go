// Package shelf keeps audio outside the bus: in a folder, or in a bucket of an S3-compatible
// store. Both are a recordings.Place.
//
// Invariants: an object is there whole or not at all, whatever crashes; names have the form
// a/b/c.wav, of letters, digits, "-", "_", "=" and points, and lead nowhere else; nothing is
// remembered.
//
// It imports schemas.
package shelf

// Package spill keeps a map that may be larger than the memory it is allowed: what is too
// much goes to files, sorted.
//
// A [Map] is a log-structured merge tree in small. New entries are in a hash table. When
// that is full, it becomes a run: a file of entries in the order of their keys. A key is
// looked up in the table and then in one run after the other, the newest first; a filter in
// memory says of most runs that they do not have it, and one read of 4 KiB finds it in those
// that may. Eight runs of a size are merged into one.
//
// The files hold keys and values and nothing else. They are temporary, are no use to another
// process, and are removed by [Map.Close]; what a killed process left has the extension
// [Ext].
package spill

package reload

// watch notices that files are not what was read of them.
type watch struct {
	taken map[string]stamp // as they were when they were read
	seen  map[string]stamp // at the last look
}

// look reports that files have changed since they were read, and not since the last look: what
// is being written is waited for.
func (w *watch) look() bool {
	now, changed, steady := make(map[string]stamp, len(w.taken)), false, true
	for path, then := range w.taken {
		now[path] = stampOf(path)
		if !alike(then, now[path]) {
			before, known := w.seen[path]
			changed, steady = true, steady && known && alike(before, now[path])
		}
	}
	w.seen = now
	return changed && steady
}

// untouched reports that the files are as they were when they were read.
func (w *watch) untouched() bool {
	for path, then := range w.taken {
		if !alike(then, stampOf(path)) {
			return false
		}
	}
	return true
}

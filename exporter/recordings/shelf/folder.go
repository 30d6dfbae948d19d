package shelf

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/google/renameio/v2/maybe" // on Windows, which has no atomic replacement, a plain write

	"aiccbridge/internal/durable"
	"aiccbridge/schemas"
)

// Folder keeps each object as a file, with what is known of it in another one beside it,
// whose name ends in .json. The second is written last: without it the first is no object.
type Folder struct{ dir string }

// NewFolder returns the place below a folder, which is made with the first object.
func NewFolder(dir string) *Folder { return &Folder{dir} }

const aboutExt = ".json"

var names = regexp.MustCompile(`^[0-9A-Za-z_=-]+(/[0-9A-Za-z_=-]+)*\.wav$`)

func (f *Folder) path(name string) (string, error) {
	if !names.MatchString(name) {
		return "", fmt.Errorf("%q is no name of a recording", name)
	}
	return filepath.Join(f.dir, filepath.FromSlash(name)), nil
}

// about is the content of the file beside an object.
type about struct {
	Bytes int64             `json:"bytes"`
	Meta  map[string]string `json:"meta"`
}

// Put stores an object. The address is the folder, a slash, and the name.
func (f *Folder) Put(_ context.Context, name string, meta map[string]string, r io.Reader) (string, error) {
	path, err := f.path(name)
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(r)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = maybe.WriteFile(path, content, 0o600)
	}
	if err == nil {
		var text []byte
		if text, err = json.Marshal(about{int64(len(content)), meta}); err == nil {
			err = maybe.WriteFile(path+aboutExt, text, 0o600)
		}
	}
	if err == nil { // before anybody is told
		err = durable.Folders(filepath.Dir(path), f.dir)
	}
	if err != nil {
		return "", fmt.Errorf("put %s into %s: %w", name, f.dir, err)
	}
	return f.dir + "/" + name, nil
}

// Find returns what is known of an object.
func (f *Folder) Find(_ context.Context, name string) (o schemas.Object, found bool, err error) {
	path, err := f.path(name)
	if err == nil {
		o, found, err = look(path, name)
	}
	if err != nil {
		return schemas.Object{}, false, fmt.Errorf("look for %s in %s: %w", name, f.dir, err)
	}
	return o, found, nil
}

// look reads what is known of the object in a file. One that is not as long as it should be
// is none.
func look(path, name string) (schemas.Object, bool, error) {
	text, err := os.ReadFile(path + aboutExt)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return schemas.Object{}, false, nil
	}
	if err != nil {
		return schemas.Object{}, false, err
	}
	var a about
	if json.Unmarshal(text, &a) != nil || info.Size() != a.Bytes {
		return schemas.Object{}, false, nil
	}
	return schemas.Object{Name: name, Bytes: a.Bytes, StoredAt: info.ModTime(), Meta: a.Meta}, true, nil
}

// Get opens an object; found is false when there is none of that name.
func (f *Folder) Get(_ context.Context, name string) (r io.ReadCloser, found bool, err error) {
	path, err := f.path(name)
	if err != nil {
		return nil, false, err
	}
	file, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, fmt.Errorf("get %s from %s: %w", name, f.dir, err)
	}
	return file, true, nil
}

// Each calls f with every object whose name begins with a prefix, in the order of the names.
func (f *Folder) Each(ctx context.Context, prefix string, each func(schemas.Object) error) error {
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // nothing yet, or deleted meanwhile
			return nil
		case err != nil:
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case d.IsDir():
			return nil
		}
		relative, err := filepath.Rel(f.dir, path)
		name := filepath.ToSlash(relative)
		if err != nil || !strings.HasPrefix(name, prefix) || !names.MatchString(name) {
			return err
		}
		o, found, err := look(path, name)
		if err != nil || !found {
			return err
		}
		return each(o)
	})
	if err != nil {
		return fmt.Errorf("list %s: %w", f.dir, err)
	}
	return nil
}

// Delete removes an object.
func (f *Folder) Delete(_ context.Context, name string) error {
	path, err := f.path(name)
	for _, p := range []string{path + aboutExt, path} {
		if err == nil {
			err = ignoreGone(os.Remove(p))
		}
	}
	if err != nil {
		return fmt.Errorf("delete %s from %s: %w", name, f.dir, err)
	}
	return nil
}

// Sweep removes what puts that broke off before a time have left.
func (f *Folder) Sweep(ctx context.Context, before time.Time) error {
	err := filepath.WalkDir(f.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil || ctx.Err() != nil || d.IsDir():
			return cmp.Or(err, ctx.Err())
		}
		info, err := d.Info()
		if err != nil || info.ModTime().After(before) || !f.left(path) {
			return ignoreGone(err)
		}
		return ignoreGone(os.Remove(path))
	})
	if err != nil {
		return fmt.Errorf("sweep %s: %w", f.dir, err)
	}
	return nil
}

// ours are recordings, <tenant>/<agent>/<day>/<key>.wav, and what is being written of them.
// Somebody else may keep audio in the same folder.
var ours = regexp.MustCompile(`^[^/]+/[^/]+/[0-9]+/\.?[0-9a-f]{32}\.wav`)

// left tells what a crash left: audio without the file beside it, and what was being written.
func (f *Folder) left(path string) bool {
	relative, err := filepath.Rel(f.dir, path)
	if err != nil || !ours.MatchString(filepath.ToSlash(relative)) {
		return false
	}
	name := filepath.Base(path)
	if strings.HasPrefix(name, ".") {
		return true
	}
	if filepath.Ext(name) != ".wav" {
		return false
	}
	_, err = os.Stat(path + aboutExt)
	return errors.Is(err, fs.ErrNotExist)
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

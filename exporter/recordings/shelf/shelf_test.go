package shelf

import (
	"context"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"aiccbridge/exporter/recordings"
	"aiccbridge/schemas"
)

// shelf is what the two have in common.
type shelf interface {
	recordings.Place
	Get(ctx context.Context, name string) (io.ReadCloser, bool, error)
}

// bucket is a small S3 store: one bucket, path style.
type bucket struct {
	mu      sync.Mutex
	objects map[string]http.Header
	content map[string][]byte
	deny    bool
}

type listed struct {
	XMLName     xml.Name `xml:"ListBucketResult"`
	IsTruncated bool
	Contents    []struct {
		Key          string
		LastModified time.Time
		Size         int
	}
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	key, ok := strings.CutPrefix(r.URL.Path, "/calls/")
	if b.deny || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=access/") {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<Error><Code>AccessDenied</Code><Message>no</Message></Error>`)
		return
	}
	header, there := b.objects[key]
	switch {
	case ok && key == "" && r.Method == http.MethodGet:
		var l listed
		for name, content := range b.content {
			if strings.HasPrefix(name, r.URL.Query().Get("prefix")) {
				l.Contents = append(l.Contents, struct {
					Key          string
					LastModified time.Time
					Size         int
				}{name, time.Now(), len(content)})
			}
		}
		_ = xml.NewEncoder(w).Encode(l)
	case r.Method == http.MethodPut:
		content, _ := io.ReadAll(r.Body)
		b.objects[key], b.content[key] = r.Header.Clone(), content
	case r.Method == http.MethodDelete:
		delete(b.objects, key)
		delete(b.content, key)
		w.WriteHeader(http.StatusNoContent)
	case !there:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `<Error><Code>NoSuchKey</Code></Error>`)
	default:
		for name, values := range header {
			if strings.HasPrefix(name, "X-Amz-Meta-") {
				w.Header()[name] = values
			}
		}
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Content-Length", strconv.Itoa(len(b.content[key])))
		if r.Method == http.MethodGet {
			_, _ = w.Write(b.content[key])
		}
	}
}

func startS3(t *testing.T) (*bucket, *S3) {
	t.Helper()
	b := &bucket{objects: map[string]http.Header{}, content: map[string][]byte{}}
	server := httptest.NewTLSServer(b)
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	s, err := NewS3(S3Options{URL: address, Region: "here", Bucket: "calls", Prefix: "a", AccessKey: "access", SecretKey: "secret", RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return b, s
}

func shelves(t *testing.T) map[string]shelf {
	_, s := startS3(t)
	return map[string]shelf{"folder": NewFolder(filepath.Join(t.TempDir(), "audio")), "s3": s}
}

// TestBoth: what is put is found, listed, got and deleted alike.
func TestBoth(t *testing.T) {
	const name, other = "acme/a=2e7/20261101/0a.wav", "acme2/7/0/0b.wav"
	meta := map[string]string{"agent": "é 7", "sha256": "00"}
	for at, s := range shelves(t) {
		t.Run(at, func(t *testing.T) {
			ctx := t.Context()
			if _, found, err := s.Find(ctx, name); found || err != nil {
				t.Fatalf("before: %v %v", found, err)
			}
			if n := len(list(t, s, "")); n != 0 {
				t.Errorf("%d objects in nothing", n)
			}
			for _, content := range []string{"first", "sound"} {
				object, err := s.Put(ctx, name, meta, strings.NewReader(content))
				if err != nil || !strings.HasSuffix(object, "/"+name) || at == "s3" && object != "s3://calls/a/"+name {
					t.Fatalf("%s, %v", object, err)
				}
			}
			if _, err := s.Put(ctx, other, nil, strings.NewReader("x")); err != nil {
				t.Fatal(err)
			}
			o, found, err := s.Find(ctx, name)
			if err != nil || !found || o.Bytes != 5 || o.Name != name || time.Since(o.StoredAt) > time.Hour {
				t.Errorf("%+v %v %v", o, found, err)
			}
			if diff := cmp.Diff(meta, o.Meta); diff != "" {
				t.Error(diff)
			}
			if got := list(t, s, "acme/"); !slices.Equal(got, []string{name}) {
				t.Errorf("of acme: %v", got)
			}
			r, found, err := s.Get(ctx, name)
			if err != nil || !found {
				t.Fatalf("got %v %v", found, err)
			}
			if content, err := io.ReadAll(r); string(content) != "sound" || errors.Join(err, r.Close()) != nil {
				t.Errorf("%q %v", content, err)
			}
			if _, found, err := s.Get(ctx, "acme/7/0/none.wav"); found || err != nil {
				t.Errorf("of none: %v %v", found, err)
			}
			for range 2 {
				if err := s.Delete(ctx, name); err != nil {
					t.Error(err)
				}
			}
			if got := list(t, s, ""); !slices.Equal(got, []string{other}) {
				t.Errorf("left: %v", got)
			}
			stop := errors.New("enough")
			if err := s.Each(ctx, "", func(schemas.Object) error { return stop }); !errors.Is(err, stop) {
				t.Errorf("stopped: %v", err)
			}
		})
	}
}

func list(t *testing.T, s shelf, prefix string) (all []string) {
	t.Helper()
	err := s.Each(t.Context(), prefix, func(o schemas.Object) error {
		all = append(all, o.Name)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestHalfAnObjectIsNone: what a crash left in the folder.
func TestHalfAnObjectIsNone(t *testing.T) {
	dir := t.TempDir()
	f := NewFolder(dir)
	const name = "acme/7/0/0a.wav"
	if _, err := f.Put(t.Context(), name, nil, strings.NewReader("sound")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, filepath.FromSlash(name))
	for what, spoil := range map[string]func() error{
		"cut":                func() error { return os.Truncate(path, 3) },
		"nothing beside it":  func() error { return os.Remove(path + aboutExt) },
		"nonsense beside it": func() error { return os.WriteFile(path+aboutExt, []byte("{"), 0o600) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if _, found, err := f.Find(t.Context(), name); found || err != nil {
			t.Errorf("%s: %v %v", what, found, err)
		}
	}
}

func TestNamesLeadNowhereElse(t *testing.T) {
	f := NewFolder(t.TempDir())
	for _, name := range []string{"", "../x.wav", "a/../../x.wav", "/etc/x.wav", "a//b.wav", "a/b.json", `a\..\x.wav`} {
		if _, err := f.Put(t.Context(), name, nil, strings.NewReader("")); err == nil {
			t.Errorf("%q is put", name)
		}
		if _, _, err := f.Find(t.Context(), name); err == nil {
			t.Errorf("%q is looked for", name)
		}
		if _, _, err := f.Get(t.Context(), name); err == nil {
			t.Errorf("%q is got", name)
		}
		if err := f.Delete(t.Context(), name); err == nil {
			t.Errorf("%q is deleted", name)
		}
	}
}

// TestRefusedByS3 says which bucket, and never the keys.
func TestRefusedByS3(t *testing.T) {
	b, s := startS3(t)
	b.deny = true
	ctx := t.Context()
	_, putErr := s.Put(ctx, "a/1.wav", nil, strings.NewReader("x"))
	_, _, findErr := s.Find(ctx, "a/1.wav")
	for what, err := range map[string]error{
		"put": putErr, "find": findErr, "each": s.Each(ctx, "", func(schemas.Object) error { return nil }), "delete": s.Delete(ctx, "a/1.wav"),
	} {
		if err == nil || !strings.Contains(err.Error(), "bucket calls") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFolderSweep: what a crash left goes once it is old enough; objects, and files of
// others, stay.
func TestFolderSweep(t *testing.T) {
	dir := t.TempDir()
	f := NewFolder(dir)
	if err := NewFolder(filepath.Join(dir, "none")).Sweep(t.Context(), time.Now()); err != nil {
		t.Errorf("of no folder: %v", err)
	}
	const h = "000000000000000000000000000000"
	const name = "acme/7/0/" + h + "0a.wav"
	prompt := filepath.Join(dir, "prompts", "welcome.wav") // of somebody who keeps audio in the same folder
	for _, err := range []error{os.Mkdir(filepath.Dir(prompt), 0o700), os.WriteFile(prompt, []byte("welcome"), 0o600)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Put(t.Context(), name, nil, strings.NewReader("sound")); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(dir, "acme", "7", "0")
	for _, file := range []string{h + "0b.wav", "." + h + "0c.wav123", "." + h + "0c.wav.json456", "notes.txt", "take.wav"} {
		if err := os.WriteFile(filepath.Join(folder, file), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		before time.Time
		want   []string
	}{
		{time.Now().Add(-time.Hour), []string{"." + h + "0c.wav.json456", "." + h + "0c.wav123", h + "0a.wav", h + "0a.wav.json", h + "0b.wav", "notes.txt", "take.wav"}},
		{time.Now().Add(time.Hour), []string{h + "0a.wav", h + "0a.wav.json", "notes.txt", "take.wav"}},
	} {
		if err := f.Sweep(t.Context(), step.before); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		var left []string
		for _, file := range files {
			left = append(left, file.Name())
		}
		if !slices.Equal(left, step.want) {
			t.Errorf("left %v, want %v", left, step.want)
		}
	}
	if _, err := os.Stat(prompt); err != nil {
		t.Error(err)
	}
	if _, s := startS3(t); s.Sweep(t.Context(), time.Now()) != nil {
		t.Error("s3")
	}
}

// Package seal encrypts small secrets (session ids) for places where others can
// read, such as a key-value bucket.
//
// Invariants:
//
//   - AES-256-GCM with a random nonce: what was altered, sealed with another key,
//     or for another place, does not open. Equal secrets never look equal.
//   - The key never leaves its file, which only its owner may read.
//   - No error shows a secret, sealed or plain.
//
// Bridges that take agents over from one another must have copies of one key
// file; with another key the session is not resumed but signed in anew.
package seal

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"aiccbridge/internal/durable"
)

// KeyFile is the name of the key file in the directory given to [OpenDir]: 64
// hex digits and a newline, mode 0600.
const KeyFile = "seal.key"

const (
	keyBytes = 32
	// version begins every sealed text, so that another form can follow one day.
	version = "v1."
)

// ErrNotOpened says that a text was not sealed with this key for this place, or
// was altered.
var ErrNotOpened = errors.New("sealed text can't be opened: altered, or sealed with another key or for another place")

// Box seals and opens. It is safe for concurrent use.
type Box struct {
	aead cipher.AEAD
	key  []byte
}

// OpenDir returns a Box with the key in dir/seal.key and creates the file, and
// dir, if they are missing. Of several processes that start at once one creates
// the key and all use it.
func OpenDir(dir string) (*Box, error) {
	path := filepath.Join(dir, KeyFile)
	key, err := load(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(dir, path); err != nil {
			return nil, fmt.Errorf("create seal key: %w", err)
		}
		key, err = load(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open seal key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("open seal key %s: %w", path, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("open seal key %s: %w", path, err)
	}
	return &Box{aead: aead, key: key}, nil
}

// Key is a secret key for another purpose, 32 bytes: always the same for the same
// key file, and of no use for finding the file's key or that of another purpose.
func (b *Box) Key(purpose string) []byte {
	mac := hmac.New(sha256.New, b.key)
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// Seal returns plain encrypted, as printable ASCII. context names the place where
// the text will be kept, e.g. the key in a bucket, and is not in it; "" is allowed.
func (b *Box) Seal(plain []byte, context string) (string, error) {
	return version + base64.RawURLEncoding.EncodeToString(b.aead.Seal(nil, nil, plain, bound(context))), nil
}

// Open returns what was sealed with the same context: a text moved to another
// place does not open there. Every error is ErrNotOpened.
func (b *Box) Open(sealed, context string) ([]byte, error) {
	text, ok := strings.CutPrefix(sealed, version)
	if !ok {
		return nil, ErrNotOpened
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, ErrNotOpened
	}
	plain, err := b.aead.Open(nil, nil, raw, bound(context))
	if err != nil {
		return nil, ErrNotOpened
	}
	return plain, nil
}

// bound is the data that a text is sealed with and does not hold.
func bound(context string) []byte { return []byte(version + context) }

func load(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" { // where a mode says nothing of others
		return nil, fmt.Errorf("%s has mode %s: it must be a file that only its owner can read; run chmod 600 on it", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != keyBytes {
		return nil, fmt.Errorf("%s is not a key of %d hex digits: restore it, or remove it to get a new one (kept sessions are then signed in anew)", path, 2*keyBytes)
	}
	return key, nil
}

// create writes a new key to disk under another name and links it to path, so
// that nobody ever sees half a key and nobody's key is replaced.
func create(dir, path string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, KeyFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	key := make([]byte, keyBytes)
	rand.Read(key) // never fails
	_, err = f.WriteString(hex.EncodeToString(key) + "\n")
	if err = cmp.Or(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return durable.Folder(dir)
}

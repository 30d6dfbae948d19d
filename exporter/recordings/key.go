package recordings

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Key encrypts audio with AES-256-GCM and a random nonce. It is safe for concurrent use.
type Key struct {
	aead cipher.AEAD
	id   string
}

// ParseKey reads a key of 64 hex digits. The error does not show it.
func ParseKey(text string) (*Key, error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != 32 {
		return nil, errors.New("an encryption key has 64 hex digits")
	}
	block, err := aes.NewCipher(raw)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("name of a key for recordings"))
	return &Key{aead: aead, id: hex.EncodeToString(mac.Sum(nil)[:8])}, nil
}

// ID names the key and tells nothing of it.
func (k *Key) ID() string { return k.id }

// Seal encrypts audio for the name that it is kept under.
func (k *Key) Seal(plain []byte, name string) []byte {
	return k.aead.Seal(nil, nil, plain, []byte(name))
}

// Open decrypts what was sealed for a name. What was altered, or moved to another name, or
// sealed with another key, does not open.
func (k *Key) Open(sealed []byte, name string) ([]byte, error) {
	plain, err := k.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return nil, errors.New("it does not open: altered, moved, or encrypted with another key")
	}
	return plain, nil
}

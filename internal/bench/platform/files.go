package platform

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"aiccbridge/internal/c2sign"
)

const filesPath = "/CCFS/resource/ccfs/"

// files is a file store that answers the n-th extraction with the n-th of its files, and
// further ones with the last.
type files struct {
	zips   []string
	client *http.Client

	mu        sync.Mutex
	made      map[string]string // the ZIP of each file name
	asked     int
	downloads []time.Time     // when each began
	changed   chan struct{}   // closed with each download
	calling   *sync.WaitGroup // callbacks under way
}

func newFiles(zips []string, roots *x509.CertPool) *files {
	return &files{
		zips: zips, made: map[string]string{}, changed: make(chan struct{}), calling: &sync.WaitGroup{},
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}},
	}
}

func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Body struct {
			CallBackURL  string `json:"callBackURL"`
			BillFileName string `json:"billFileName"`
		} `json:"msgBody"`
	}
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&q); err != nil {
		http.Error(w, "no request", http.StatusBadRequest)
		return
	}
	switch r.URL.Path {
	case filesPath + "queryBillData":
		f.create(w, q.Body.CallBackURL)
	case filesPath + "downloadBillFile":
		f.download(w, q.Body.BillFileName)
	default:
		http.NotFound(w, r)
	}
}

func (f *files) create(w http.ResponseWriter, callback string) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	response := hex.EncodeToString(id[:])
	name := time.Now().UTC().Format("20060102") + "_" + response + ".zip"
	f.mu.Lock()
	f.made[name] = f.zips[min(f.asked, len(f.zips)-1)]
	f.asked++
	f.mu.Unlock()
	answer(w, "0", map[string]string{"responseId": response})
	f.calling.Go(func() {
		if err := f.callBack(callback, response, name); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
}

func answer(w http.ResponseWriter, code string, data any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	_ = json.NewEncoder(w).Encode(map[string]any{"resultData": data, "resultCode": code, "resultDesc": "success"}) // the client may be gone
}

// callBack says that a file is ready, signed as the platform signs.
func (f *files) callBack(target, response, name string) error {
	const contentType = "application/json;charset=UTF-8"
	u, err := url.Parse(target)
	if err != nil {
		return fmt.Errorf("call back: %w", err)
	}
	body := fmt.Appendf(nil, `{"request":{"version":"2.0"},"msgBody":{"responseId":%q,"billFileName":%q}}`, response, name)
	signature, err := c2sign.Sign(c2sign.NewKey(AccessKey, secretKey), c2sign.Profile{}, c2sign.Request{
		Method: http.MethodPost, Path: u.EscapedPath(), Query: u.Query(), Body: body,
		Header: map[string]string{"host": u.Host, "content-type": contentType, "content-length": strconv.Itoa(len(body))},
	}, time.Now())
	if err != nil {
		return fmt.Errorf("call back: %w", err)
	}
	r, err := http.NewRequest(http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("call back: %w", err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", signature)
	res, err := f.client.Do(r)
	if err != nil {
		return fmt.Errorf("call back: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("call back: status %d", res.StatusCode)
	}
	return nil
}

func (f *files) download(w http.ResponseWriter, name string) {
	f.mu.Lock()
	zip, ok := f.made[name]
	f.downloads = append(f.downloads, time.Now())
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
	file, err := os.Open(zip)
	if !ok || err != nil {
		answer(w, "0300011", "")
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "Application/Octet-stream;charset=UTF-8")
	if info, err := file.Stat(); err == nil {
		w.Header().Set("Content-Length", strconv.FormatInt(info.Size(), 10))
	}
	_, _ = io.Copy(w, file) // the client notices what is missing
}

// await returns when the n-th download, from 1, began, once it has.
func (f *files) await(ctx context.Context, n int) (time.Time, error) {
	for {
		f.mu.Lock()
		changed, done := f.changed, f.downloads
		f.mu.Unlock()
		if len(done) >= n {
			return done[n-1], nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return time.Time{}, ctx.Err()
		}
	}
}

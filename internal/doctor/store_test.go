package doctor

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/ccfs"
)

// TestRefusedKeyIsNotTriedAgain: a second refusal may lock the address.
func TestRefusedKeyIsNotTriedAgain(t *testing.T) {
	var asked atomic.Int32
	platform := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer platform.Close()
	client, err := ccfs.New(ccfs.Options{URL: platform.URL + "/CCFS/resource/ccfs", Key: c2sign.NewKey("ak", "a-secret-key"), AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l := worst(t, Store{About: "file store", Client: client}.Look(t.Context()))
	if l.Status != Failure || l.Check != "signature" || asked.Load() != 1 {
		t.Errorf("%+v after %d requests", l, asked.Load())
	}
}

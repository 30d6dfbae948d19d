package embedded

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"aiccbridge/schemas"
)

var (
	reader = User{Name: "wallboard", Password: "r-secret", Role: RoleReader}
	admin  = User{Name: "ops", Password: "a-secret", Role: RoleAdmin}
)

func TestListenersThatAreRefused(t *testing.T) {
	someTLS := &tls.Config{MinVersion: tls.VersionTLS12}
	for name, tc := range map[string]struct {
		o    Options
		want string
	}{
		"beyond loopback":               {Options{Listen: "0.0.0.0:0"}, "can be reached from other machines: give it a certificate and users"},
		"all addresses":                 {Options{Listen: ":0"}, "can be reached from other machines"},
		"IPv6":                          {Options{Listen: "[::]:0"}, "can be reached from other machines"},
		"a name":                        {Options{Listen: "bridge.example:0"}, "can be reached from other machines"},
		"beyond loopback without TLS":   {Options{Listen: "0.0.0.0:0", Users: []User{reader}}, "can be reached from other machines"},
		"beyond loopback without users": {Options{Listen: "0.0.0.0:0", TLS: someTLS}, "can be reached from other machines"},
		"no password":                   {Options{Users: []User{{Name: "a", Role: RoleAdmin}}}, "want a name and a password"},
		"no name":                       {Options{Users: []User{{Password: "a", Role: RoleAdmin}}}, "want a name and a password"},
		"unknown role":                  {Options{Users: []User{{Name: "a", Password: "a", Role: "root"}}}, `role "root", want reader, backend or admin`},
		"a backend without rights":      {Options{Users: []User{{Name: "a", Password: "a", Role: RoleBackend, Publish: []string{"x"}}}}, "want what a backend may publish and subscribe to"},
		"one name for two":              {Options{Users: []User{reader, reader}}, "given twice"},
		"bad prefix":                    {Options{Prefix: "a.b"}, "subject prefix"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.o.Dir = t.TempDir()
			s, err := Start(t.Context(), tc.o)
			if err == nil {
				s.Shutdown()
				t.Fatal("started")
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q, want %q in it", err, tc.want)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("a password in %q", err)
			}
		})
	}
}

func TestOnlyTheClientListenerIsOn(t *testing.T) {
	s := start(t, Options{Listen: "127.0.0.1:0", Users: []User{reader, admin}})
	v, err := s.server.Varz(nil)
	if err != nil {
		t.Fatal(err)
	}
	if v.HTTPPort != 0 || v.HTTPSPort != 0 || v.Cluster.Port != 0 || v.Gateway.Port != 0 ||
		v.LeafNode.Port != 0 || v.MQTT.Port != 0 || v.Websocket.Port != 0 || s.opts.ProfPort != 0 {
		t.Errorf("a listener beside the client one is on: %+v", v)
	}
	if s.opts.NoAuthUser != "" || s.opts.Websocket.NoAuthUser != "" || s.opts.MQTT.NoAuthUser != "" {
		t.Error("a client may come in without signing in")
	}
	if !v.AuthRequired {
		t.Error("signing in is not required")
	}
}

func TestSignIn(t *testing.T) {
	s := start(t, Options{Listen: "127.0.0.1:0", Users: []User{reader, admin}})
	own, secret := s.Login()
	for name, tc := range map[string]struct {
		option nats.Option
		in     bool
	}{
		"nobody":          {nats.Name("x"), false},
		"reader":          {nats.UserInfo(reader.Name, reader.Password), true},
		"admin":           {nats.UserInfo(admin.Name, admin.Password), true},
		"own":             {nats.UserInfo(own, secret), true},
		"wrong password":  {nats.UserInfo(reader.Name, admin.Password), false},
		"no password":     {nats.UserInfo(reader.Name, ""), false},
		"unknown user":    {nats.UserInfo("x", reader.Password), false},
		"password, alone": {nats.Token(reader.Password), false},
	} {
		nc, err := nats.Connect(s.ClientURL(), tc.option)
		if err == nil {
			nc.Close()
		}
		if (err == nil) != tc.in || err != nil && !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v", name, err)
		}
	}
	open := start(t, Options{})
	if user, password := open.Login(); user != "" || password != "" {
		t.Errorf("must sign in as %q where nobody must", user)
	}
	other := start(t, Options{Users: []User{reader}})
	if _, again := other.Login(); again == secret {
		t.Error("two servers with the same password")
	}
}

func TestSignedInClientsOutlastARestart(t *testing.T) {
	s := start(t, Options{Users: []User{reader, admin}})
	_, js := connect(t, s)
	makeStreams(t, js)
	nc, rjs := signedIn(t, s, reader)
	back := nc.StatusChanged(nats.CONNECTED)
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	<-back
	if _, err := rjs.Stream(t.Context(), "AICC_EVENTS"); err != nil {
		t.Error(err)
	}
}

func TestListenerWithTLS(t *testing.T) {
	certificate, roots := selfSigned(t)
	s := start(t, Options{
		Listen: "0.0.0.0:0", Users: []User{reader},
		TLS: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(s.ClientURL(), "tls://"))
	if err != nil {
		t.Fatalf("URL %q: %v", s.ClientURL(), err)
	}
	login := nats.UserInfo(reader.Name, reader.Password)
	nc, err := nats.Connect("tls://127.0.0.1:"+port, login, nats.Secure(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if nc, err := nats.Connect("tls://127.0.0.1:"+port, login); err == nil {
		nc.Close()
		t.Error("an unknown certificate was accepted; this test proves nothing")
	}
	raw, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if _, err := io.WriteString(raw, "CONNECT {\"user\":\"wallboard\",\"pass\":\"r-secret\"}\r\nPING\r\n"); err != nil {
		t.Fatal(err)
	}
	if answer, _ := io.ReadAll(raw); bytes.Contains(answer, []byte("PONG")) {
		t.Error("signed in without TLS")
	}
	connect(t, s) // the process's own connection needs none
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
}

// signedIn connects as u, over whatever there is.
func signedIn(t *testing.T, s *Server, u User) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), nats.InProcessServer(s), nats.UserInfo(u.Name, u.Password),
		nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond), nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// makeStreams makes what a bridge has, with one message in each.
func makeStreams(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	n, err := schemas.NewNames(DefaultPrefix)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, s := range schemas.Streams() {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{
			Name: n.Stream(s), Subjects: n.StreamSubjects(s), AllowDirect: s == schemas.StreamRows,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, subject := range []string{n.Event("t", "7", "call", "ring"), n.FileReady("t", "cdr"), n.DeadLetter("t", "x")} {
		if _, err := js.Publish(ctx, subject, []byte("one")); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []schemas.Bucket{schemas.BucketWindows, schemas.BucketSessions, schemas.BucketClients, schemas.BucketState, schemas.BucketSchemas, schemas.BucketPulse, schemas.BucketLeases} {
		kv, err := js.CreateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: n.Bucket(b)})
		if err == nil {
			_, err = kv.Put(ctx, "t.7", []byte("value"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []schemas.Bucket{schemas.BucketQuarantine, schemas.BucketRecordings} {
		objects, err := js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{Bucket: n.Bucket(b)})
		if err == nil {
			_, err = objects.PutBytes(ctx, "a.zip", make([]byte, 300<<10))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err = js.CreateConsumer(ctx, n.Stream(schemas.StreamFiles), jetstream.ConsumerConfig{Durable: schemas.FileConsumer, AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
}

// state is what a reader must not be able to change.
func state(t *testing.T, js jetstream.JetStream) map[string]string {
	t.Helper()
	out := map[string]string{}
	streams := js.ListStreams(t.Context())
	for info := range streams.Info() {
		out[info.Config.Name] = fmt.Sprintf("%d messages, the last is %d", info.State.Msgs, info.State.LastSeq)
	}
	if err := streams.Err(); err != nil {
		t.Fatal(err)
	}
	c, err := js.Consumer(t.Context(), "AICC_FILES", schemas.FileConsumer)
	if err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(c.CachedInfo().Config)
	if err != nil {
		t.Fatal(err)
	}
	out[schemas.FileConsumer] = fmt.Sprintf("%s delivered %d", config, c.CachedInfo().Delivered.Consumer)
	return out
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// The marks are those of the server in use.
func TestRefusedClientIsTold(t *testing.T) {
	for name, refuse := range map[string]func(*Server){
		"sign-in": func(s *Server) {
			if nc, err := nats.Connect(s.ClientURL(), nats.UserInfo("ops", "guess")); err == nil {
				nc.Close()
			}
		},
		"permission": func(s *Server) {
			nc, _ := signedIn(t, s, reader)
			if err := nc.Publish("$KV.AICC_SESSIONS.t.7", nil); err != nil || nc.Flush() != nil {
				t.Error(err)
			}
		},
	} {
		var log bytes.Buffer
		s := start(t, Options{Listen: "127.0.0.1:0", Users: []User{reader, admin}, Logger: zerolog.New(&log)})
		refuse(s)
		s.Shutdown()
		if strings.Count(log.String(), "nats client refused") != 1 || strings.Contains(log.String(), "nats server error") {
			t.Errorf("%s: logged %s", name, log.String())
		}
	}
}

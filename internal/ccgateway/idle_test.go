package ccgateway

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The benchmarks of idle polls run the gateway and each client in a process of its own:
// what a client costs is the memory of its process, and its processor time. They are
// started by this variable: "gateway" or "plain N" or "ours N".
const roleVariable = "CCGATEWAY_BENCHMARK_ROLE"

const (
	benchHold  = 10 * time.Second
	benchPause = 400 * time.Millisecond
	benchRamp  = time.Millisecond // between the starts of two agents
)

// playRole is the main function of a process of a benchmark.
func playRole(role string) error {
	kind, number, _ := strings.Cut(role, " ")
	if kind == "gateway" {
		return holdPolls()
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(os.Getenv("CCGATEWAY_BENCHMARK_CA")))
	poll := pollsPlainly
	if kind == "ours" {
		poll = pollsByUs
	}
	return measure(n, poll(os.Getenv("CCGATEWAY_BENCHMARK_URL"), pool))
}

// holdPolls is a gateway that holds each poll and answers that nothing happened. It says
// its address and certificate, and ends with its input.
func holdPolls() error {
	lender := httptest.NewUnstartedServer(nil)
	lender.StartTLS()
	defer lender.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: lender.TLS.Certificates})
	if err != nil {
		return err
	}
	fmt.Printf("https://%s%s\n%s.\n", l.Addr(), testBase, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: lender.Certificate().Raw}))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go holdOn(c)
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin)
	return l.Close()
}

// holdOn answers the polls of one connection.
func holdOn(c net.Conn) {
	defer c.Close()
	answer := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=UTF-8\r\nContent-Length: " + strconv.Itoa(len(idleBody)) + "\r\n\r\n" + idleBody)
	for in := bufio.NewReaderSize(c, 1<<10); ; {
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(bytes.TrimSpace(line)) == 0 {
				break
			}
		}
		time.Sleep(benchHold)
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// pollsPlainly polls as plain net/http does, with enough idle connections.
func pollsPlainly(url string, pool *x509.CertPool) func(id string) (poll func() error) {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 1 << 20}}
	return func(id string) func() error {
		return func() error {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/agentevent/"+id, nil)
			if err != nil {
				return err
			}
			r.Header.Set("Guid", "4f3c1d9e-0a6b-4c57-9d11-2b7f3c0e55aa.AgentGateway0")
			answer, err := client.Do(r)
			if err != nil {
				return err
			}
			defer answer.Body.Close()
			_, err = io.ReadAll(answer.Body)
			return err
		}
	}
}

// pollsByUs polls as the bridge does.
func pollsByUs(url string, pool *x509.CertPool) func(id string) (poll func() error) {
	c, err := New(Options{URL: url, RootCAs: pool})
	return func(id string) func() error {
		if err != nil {
			return func() error { return err }
		}
		a := c.Agent(id)
		a.Resume("4f3c1d9e-0a6b-4c57-9d11-2b7f3c0e55aa.AgentGateway0")
		return func() error { return a.Poll(context.Background()).Err }
	}
}

// measure lets n agents poll, and says what they cost after two holds: memory of the
// process and processor time a poll.
func measure(n int, agent func(id string) func() error) error {
	before := resident()
	var polls, failed atomic.Int64
	var stop atomic.Bool
	var running sync.WaitGroup
	for i := range n {
		poll := agent(strconv.Itoa(100_000 + i))
		running.Go(func() {
			for !stop.Load() {
				if err := poll(); err != nil && failed.Add(1) == 1 {
					fmt.Fprintln(os.Stderr, err)
				}
				polls.Add(1)
				time.Sleep(benchPause)
			}
		})
		time.Sleep(benchRamp)
	}
	time.Sleep(benchHold + 2*time.Second)
	failed.Store(0) // a busy machine may take too long for many handshakes at once
	begun, used := polls.Load(), processorTime()
	time.Sleep(2 * benchHold)
	used, begun = processorTime()-used, polls.Load()-begun
	after := resident()
	if failed.Load() > 0 || begun == 0 {
		return fmt.Errorf("%d polls, %d failed", begun, failed.Load())
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("%f %f %f %f\n", float64(after-before)/float64(n)/1024, float64(used.Microseconds())/float64(begun),
		float64(m.StackInuse)/float64(n)/1024, float64(runtime.NumGoroutine())/float64(n))
	return keepProfile()
}

// keepProfile writes a profile of the heap where a variable asks for it.
func keepProfile() error {
	folder := os.Getenv("CCGATEWAY_BENCHMARK_PROFILES")
	if folder == "" {
		return nil
	}
	runtime.GC()
	f, err := os.Create(filepath.Join(folder, strings.ReplaceAll(os.Getenv(roleVariable), " ", "_")+".heap"))
	if err != nil {
		return err
	}
	defer f.Close()
	return pprof.WriteHeapProfile(f)
}

// resident is how much memory the process has, in bytes.
func resident() int {
	text, _ := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(fields[1])
	return pages * os.Getpagesize()
}

// BenchmarkIdlePolls compares idle agents with as many that poll by plain net/http.
func BenchmarkIdlePolls(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for range b.N {
				plain := cost(b, "plain", n)
				ours := cost(b, "ours", n)
				b.ReportMetric(ours[0], "KiB/agent")
				b.ReportMetric(plain[0], "net/http-KiB/agent")
				b.ReportMetric(ours[0]/plain[0], "memory-ratio")
				b.ReportMetric(ours[1], "µs-CPU/poll")
				b.ReportMetric(plain[1], "net/http-µs-CPU/poll")
				b.ReportMetric(ours[1]/plain[1], "CPU-ratio")
				b.ReportMetric(ours[2], "stack-KiB/agent")
				b.ReportMetric(ours[3], "goroutines/agent")
			}
		})
	}
}

// cost runs a client against a gateway of its own.
func cost(b *testing.B, kind string, n int) (figures [4]float64) {
	gateway := exec.CommandContext(b.Context(), os.Args[0])
	gateway.Env = append(os.Environ(), roleVariable+"=gateway")
	stdin, err := gateway.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := gateway.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := gateway.Start(); err != nil {
		b.Fatal(err)
	}
	defer gateway.Wait()
	defer stdin.Close()
	in := bufio.NewReader(stdout)
	url, err := in.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	var ca strings.Builder
	for line := ""; line != ".\n"; ca.WriteString(line) {
		if line, err = in.ReadString('\n'); err != nil {
			b.Fatal(err)
		}
	}
	client := exec.CommandContext(b.Context(), os.Args[0])
	client.Stderr = os.Stderr
	client.Env = append(os.Environ(), roleVariable+"="+kind+" "+strconv.Itoa(n), "CCGATEWAY_BENCHMARK_URL="+strings.TrimSpace(url), "CCGATEWAY_BENCHMARK_CA="+ca.String())
	out, err := client.Output()
	if err != nil {
		b.Fatalf("%s: %v", out, err)
	}
	if _, err := fmt.Sscan(string(out), &figures[0], &figures[1], &figures[2], &figures[3]); err != nil {
		b.Fatalf("%s: %v", out, err)
	}
	return figures
}

// BenchmarkPoll is one poll after the other, each answered at once: what a poll costs but
// for its wait.
func BenchmarkPoll(b *testing.B) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(reply200(idleBody)))
	s.StartTLS()
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	for name, polls := range map[string]func(string, *x509.CertPool) func(string) func() error{"ours": pollsByUs, "plain": pollsPlainly} {
		b.Run(name, func(b *testing.B) {
			poll := polls(s.URL+testBase, pool)("291")
			b.ReportAllocs()
			for b.Loop() {
				if err := poll(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

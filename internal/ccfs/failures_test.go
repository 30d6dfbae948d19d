package ccfs

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/heads"
)

// failing is an operation with the failures that the documents give it.
type failing struct {
	codes string
	call  func(t *testing.T, c *Client, base string) error
}

// failures are by operation; docs/platform.md lists the same.
func failures() map[string]failing {
	const (
		parameters = "0300001 0300002 0300003 0300004 0300005 0300006 0300007 "
		refused    = " 401 403"
		extract    = parameters + "0300009 0300013" + refused
		file       = parameters + "0300008 0300010 0300011 0300012" + refused
	)
	agents := bills()
	agents.DataType = ""
	sound := func(_ Sound, err error) error { return err }
	written := func(_ int64, err error) error { return err }
	asked := func(_ any, err error) error { return err }
	open := func(t *testing.T, c *Client, base string) error {
		a := newAddress(playVoice, base+"/playVoice?t=1&version=2.0&st=TOKEN", time.Time{})
		return sound(c.Open(t.Context(), a, io.Discard))
	}
	type test = *testing.T
	return map[string]failing{
		"queryBillData":           {extract, func(t test, c *Client, _ string) error { return query(t, c) }},
		"queryAgentOprInfoData":   {extract, func(t test, c *Client, _ string) error { return asked(c.QueryAgentOperations(t.Context(), agents)) }},
		"queryAgentSkillInfoData": {extract, func(t test, c *Client, _ string) error { return asked(c.QueryAgentSkills(t.Context(), agents)) }},
		"downloadBillFile": {file, func(t test, c *Client, _ string) error {
			return written(c.DownloadBills(t.Context(), testFile, io.Discard))
		}},
		"downloadAgentOprInfoFile": {file, func(t test, c *Client, _ string) error {
			return written(c.DownloadAgentOperations(t.Context(), testFile, io.Discard))
		}},
		"downloadAgentSkillInfoFile": {file, func(t test, c *Client, _ string) error {
			return written(c.DownloadAgentSkills(t.Context(), testFile, io.Discard))
		}},
		"downloadRecordFile": {file, func(t test, c *Client, _ string) error {
			return sound(c.DownloadRecording(t.Context(), oneFile, io.Discard))
		}},
		"downloadRecord": {file, func(t test, c *Client, _ string) error {
			return sound(c.DownloadOriginal(t.Context(), Original{CallID: oneCall}, io.Discard))
		}},
		"downloadIVRRecordFile": {file, func(t test, c *Client, _ string) error {
			return sound(c.DownloadFlowRecording(t.Context(), "Y:/39/record/20201015/1.wav", "256", io.Discard))
		}},
		"downloadOiapRecord": {file, func(t test, c *Client, _ string) error {
			return sound(c.DownloadOIAPRecording(t.Context(), "Y:/39/odfsrecord/20201015/1.wav", "", io.Discard))
		}},
		"requestPlayVoice":        {parameters + "0300010 0300011 0300012" + refused, func(t test, c *Client, _ string) error { return asked(c.RequestPlay(t.Context(), oneOriginal)) }},
		"playVoice":               {"010106 0300006 0300008 0300011 0300012" + refused, open},
		"getRecordFileUrlFromObs": {parameters + "0300012 0300013 0300028 0100001" + refused + " 404", func(t test, c *Client, _ string) error { return asked(c.RequestStored(t.Context(), dayOf(oneCall))) }},
		"ivr/uploadFile":          {parameters + refused[1:], func(t test, c *Client, _ string) error { return asked(c.UploadPrompt(t.Context(), 39, []byte("RIFF"))) }},
		"ivr/downloadFile": {parameters + "0300008 0300011 0300012" + refused, func(t test, c *Client, _ string) error {
			return sound(c.DownloadPrompt(t.Context(), "Y:/a.wav", false, io.Discard))
		}},
		"ivr/deleteFile": {parameters + "0300011" + refused, func(t test, c *Client, _ string) error { return c.DeletePrompt(t.Context(), "Y:/a.wav", "") }},
	}
}

// classOf says what a failure asks of the caller.
func classOf(code string) Class {
	switch code {
	case "401":
		return Auth
	case "403":
		return Locked
	case "0300008", "0300009":
		return FlowControl
	case "0300011", "0300012":
		return NotThere
	case "0100001":
		return Again
	case "010106":
		return NotThere // of the address; another one may do
	}
	return Permanent
}

// TestFailures answers each operation with each failure that is documented for it, the
// second time labelled as a file.
func TestFailures(t *testing.T) {
	for operation, f := range failures() {
		for code := range strings.FieldsSeq(f.codes) {
			t.Run(operation+"/"+code, func(t *testing.T) {
				for _, contentType := range []string{asJSON, asBytes} {
					status, body := 200, `{"resultData":null,"resultCode":"`+code+`","resultDesc":"no"}`
					switch code {
					case "401":
						status, body = 401, sample(t, "unauthorized.json")
					case "403":
						status, body = 403, sample(t, "forbidden.json")
					case "404":
						status, body = 404, own(404)
					}
					p := newPlatform(t, nil)
					p.server.Config.Handler = reply(status, contentType, body) // signatures are tested elsewhere
					kept := &heads.Book{}
					c := p.client(func(o *Options) { o.URL, o.DialContext, o.Heads = p.server.URL, nil, kept.Of("file store") })
					e := asError(t, f.call(t, c, p.server.URL))
					h := kept.Pages()[0].Failures
					asked := strings.HasPrefix(operation, "query") || strings.HasPrefix(operation, "download") // not of an address that was given
					if asked && (len(h) != 1 || h[0].Operation != operation || h[0].Status != status || h[0].Code != e.Code || h[0].Class != string(e.Class)) {
						t.Errorf("%s: kept %+v of %+v", contentType, h, e)
					}
					if e.Class != classOf(code) || e.Status != status || status == 200 && e.Code != code || e.Local {
						t.Errorf("%s: %+v", contentType, e)
					}
				}
			})
		}
	}
}

// TestDownloadOfEveryKind brings the bytes of each.
func TestDownloadOfEveryKind(t *testing.T) {
	body := aZIP(t, 10<<10)
	p := newPlatform(t, reply(200, asBytes, string(body)))
	c := p.client()
	for operation, get := range map[string]func(w io.Writer) (int64, error){
		"downloadBillFile":           func(w io.Writer) (int64, error) { return c.DownloadBills(t.Context(), testFile, w) },
		"downloadAgentOprInfoFile":   func(w io.Writer) (int64, error) { return c.DownloadAgentOperations(t.Context(), testFile, w) },
		"downloadAgentSkillInfoFile": func(w io.Writer) (int64, error) { return c.DownloadAgentSkills(t.Context(), testFile, w) },
	} {
		var b bytes.Buffer
		if n, err := get(&b); err != nil || int(n) != len(body) || !bytes.Equal(b.Bytes(), body) || p.last().path != testBase+operation {
			t.Errorf("%s: %d bytes of %s, %v", operation, n, p.last().path, err)
		}
	}
}

// TestPageSaysWhatIsTested holds docs/platform.md against the failures above.
func TestPageSaysWhatIsTested(t *testing.T) {
	page, err := os.ReadFile("../../docs/platform.md")
	if err != nil {
		t.Fatal(err)
	}
	for operation, f := range failures() {
		said, err := failuresOf(string(page), operation)
		if want := strings.Fields(f.codes); err != nil || !slices.Equal(said, want) {
			t.Errorf("%s: the page says %q, want %q (%v)", operation, said, want, err)
		}
	}
}

// failuresOf reads the last column but one of an operation's row.
func failuresOf(page, operation string) ([]string, error) {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "| `"+operation+"` |") {
			cells := strings.Split(strings.Trim(line, "|\n"), "|")
			return strings.Fields(cells[len(cells)-2]), nil
		}
	}
	return nil, errors.New("there is no such row")
}

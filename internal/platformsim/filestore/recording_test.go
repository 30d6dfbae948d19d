package filestore

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"aiccbridge/internal/c2sign"
	"aiccbridge/internal/platformsim/fault"
	"aiccbridge/internal/platformsim/filestore/voice"
	"aiccbridge/internal/platformsim/truth"
	"aiccbridge/internal/platformsim/world"
)

// originalSlashes is what requestPlayVoice wants.
var originalSlashes = strings.ReplaceAll(originalFile, `\`, "/")

// record adds a further recording to the call that every rig has.
func (r *rig) record(agent, number string, at time.Time) {
	r.book.add(world.Record, at, at, r.zone, map[string]string{
		"agent_id": agent, "call_id": testCall, "file_name": "/10/1/record/39/19991231/" + agent + "/" + number + ".wav",
		"original_file_name": `Y:\39\0\19991231\` + agent + `\` + number + ".V3",
	})
}

// get asks without a signature, as a browser does.
func (r *rig) get(address string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.store.ServeHTTP(w, httptest.NewRequest(http.MethodGet, address, nil))
	return w
}

// token asks for a listening token.
func (r *rig) token() string {
	r.t.Helper()
	var data playToken
	out := r.ask("requestPlayVoice", map[string]any{"fileName": originalSlashes})
	if json.Unmarshal(out.ResultData, &data) != nil || data.Token == "" {
		r.t.Fatalf("no token: %+v", out)
	}
	return data.Token
}

func playAddress(token string) string {
	return "https://ccfs.example.com" + base + "playVoice?t=1&version=2.0&st=" + token
}

// address asks for addresses in the object store: flat, without an envelope.
func (r *rig) address(change map[string]any) reply {
	r.t.Helper()
	msg := map[string]any{
		"callId": testCall, "version": "2.0",
		"beginTime": r.start.Add(-time.Hour).In(r.zone).Format(layout), "endTime": r.start.In(r.zone).Format(layout),
	}
	for k, v := range change {
		if v == nil {
			delete(msg, k)
		} else {
			msg[k] = v
		}
	}
	body, err := json.Marshal(msg)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.decode(r.call("getRecordFileUrlFromObs", body))
}

// listen plays what a client does about sound, for conversation.
func (r *rig) listen(seen *strings.Builder, note func(op string, body map[string]any)) {
	note("downloadRecordFile", map[string]any{"fileName": recordFile})
	begin := time.Now()
	var out struct{ ResultData playToken }
	_ = json.Unmarshal(r.call("requestPlayVoice", envelope(r.t, map[string]any{"fileName": originalSlashes})).Body.Bytes(), &out) // under some faults there is none
	w := r.get(playAddress(out.ResultData.Token))
	fmt.Fprintln(seen, out, w.Code, w.Header(), w.Body, time.Since(begin))
}

func samePlain(t *testing.T, what string, w *httptest.ResponseRecorder, want []byte) {
	t.Helper()
	if w.Code != 200 || w.Header().Get("Content-Type") != octetType || !bytes.Equal(w.Body.Bytes(), want) {
		t.Errorf("%s: %d %v, %d bytes, want %d", what, w.Code, w.Header(), w.Body.Len(), len(want))
	}
}

// TestRecordings fetches one recording in every way there is: always the same bytes, those
// of the truth log.
func TestRecordings(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		if len(r.truth.Snapshot().Recordings) != 0 {
			t.Fatal("recordings before anybody asked")
		}
		r.made("queryBillData", map[string]any{"dataType": "record"})
		said := r.truth.Snapshot().Recordings
		if len(said) != 1 || said[0].FileName != recordFile || said[0].Original != originalSlashes || said[0].CallID != testCall ||
			said[0].Agent != "101" || said[0].Format != "wav/alaw" {
			t.Fatalf("truth %+v", said)
		}
		want := r.call("downloadRecordFile", envelope(t, map[string]any{"fileName": recordFile})).Body.Bytes()
		sum := sha256.Sum256(want)
		if said[0].SHA256 != hex.EncodeToString(sum[:]) || said[0].Bytes != len(want) || string(want[:4]) != "RIFF" {
			t.Errorf("truth %+v, %d bytes", said[0], len(want))
		}
		for _, msg := range []map[string]any{
			{"fileName": originalFile}, {"fileName": originalSlashes}, {"callId": testCall}, {"callId": testCall, "ccId": "1"}, {"fileName": originalFile, "callId": "x"},
		} {
			samePlain(t, fmt.Sprint("downloadRecord ", msg), r.call("downloadRecord", envelope(t, msg)), want)
		}
		samePlain(t, "playVoice", r.get(playAddress(r.token())), want)
		var data struct{ URL string }
		if out := r.address(nil); json.Unmarshal(out.ResultData, &data) != nil || out.ResultCode != "0" {
			t.Fatalf("%+v", out)
		}
		samePlain(t, "object", r.get(data.URL), want)
		if got := r.truth.Snapshot().Requests; got["downloadRecordFile"] != 1 || got["downloadRecord"] != 5 || got["object"] != 1 ||
			got["playVoice"] != 1 || got["requestPlayVoice"] != 1 || got["getRecordFileUrlFromObs"] != 1 {
			t.Errorf("requests %v", got)
		}
	})
}

// TestSeveralRecordings of a call come as a ZIP, and as several addresses.
func TestSeveralRecordings(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.record("102", "82200000", r.start.Add(-40*time.Minute))
		w := r.call("downloadRecord", envelope(t, map[string]any{"callId": testCall}))
		z, err := zip.NewReader(bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
		if err != nil || len(z.File) != 2 || z.File[0].Name != "82200000.wav" || z.File[1].Name != "2_82200000.wav" {
			t.Fatalf("%v: %+v", err, z)
		}
		for i, name := range []string{recordFile, strings.Replace(recordFile, "101", "102", 1)} {
			in, err := z.File[i].Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(in)
			want, _ := r.store.sounds.ByName(name)
			if err != nil || !bytes.Equal(got, want.WAV()) {
				t.Errorf("%s: %v", name, err)
			}
		}
		var data struct{ URL []string }
		if out := r.address(nil); json.Unmarshal(out.ResultData, &data) != nil || len(data.URL) != 2 || !strings.Contains(data.URL[0], "/82200000.wav?") {
			t.Errorf("%s", out.ResultData)
		}
	})
}

// TestSeveralOfOneCall: of synthetic recordings two and two are of one call, if a fault says so.
func TestSeveralOfOneCall(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		r.set(fault.Rule{Fault: "rows.extra", Kind: "recording", Next: 1, Count: 6}, fault.Rule{Fault: "rows.one_call", Next: 1})
		msg := r.window()
		msg["dataType"] = "record"
		r.create("queryBillData", msg)
		r.pass(2 * time.Hour)
		calls := map[string]int{}
		for _, row := range r.truth.Snapshot().Files[0].Rows {
			calls[row.CallID]++
		}
		pairs := 0
		for _, n := range calls {
			if n == 2 {
				pairs++
			}
		}
		if pairs != 3 {
			t.Errorf("calls %v", calls)
		}
	})
}

// TestRecordingRefusals goes through the codes.
func TestRecordingRefusals(t *testing.T) {
	const ivr = "Y:/39/record/19991230/10233946082696733.wav"
	file := func(name any) map[string]any { return map[string]any{"fileName": name} }
	for name, c := range map[string]struct {
		op   string
		msg  map[string]any
		code string
	}{
		"no name":               {"downloadRecordFile", map[string]any{}, codeNull},
		"empty name":            {"downloadRecordFile", file(""), codeEmpty},
		"long name":             {"downloadRecordFile", file("/10/1/record/" + strings.Repeat("1", 225) + ".wav"), codeLong},
		"signs in a name":       {"downloadRecordFile", file("/10/1/record/39/19991231/101/8_2.wav"), codeFormat},
		"an original name":      {"downloadRecordFile", file(originalFile), codeFormat},
		"no such date":          {"downloadRecordFile", file("/10/1/record/39/19991331/101/82200000.wav"), codeFileDate},
		"unknown":               {"downloadRecordFile", file("/10/1/record/39/19991231/101/1.wav"), codeNoFile},
		"neither name nor call": {"downloadRecord", map[string]any{"ccId": "1"}, codeNull},
		"long call":             {"downloadRecord", map[string]any{"callId": strings.Repeat("1", 26)}, codeLong},
		"a call without":        {"downloadRecord", map[string]any{"callId": "1714525260-9"}, codeNoData},
		"unknown original":      {"downloadRecord", file("Y:/39/0/19991231/101/1.V3"), codeNoFile},
		"original's date":       {"downloadRecord", file("Y:/39/0/19991331/101/1.V3"), codeFileDate},
		"no path of an IVR":     {"downloadIVRRecordFile", file("Y:/39/odfs/19991231/1.wav"), codeFormat},
		"IVR's date":            {"downloadIVRRecordFile", file("Y:/39/record/19991331/1.wav"), codeFileDate},
		"IVR of tomorrow":       {"downloadIVRRecordFile", file("Y:/39/record/20300101/1.wav"), codeNoFile},
		"IVR of another node":   {"downloadIVRRecordFile?locationId=7", file(ivr), codeNoFile},
		"odd node":              {"downloadOiapRecord?locationId=a", file(ivr), codeFormat},
		"long OIAP":             {"downloadOiapRecord", file("Y:/39/odfsrecord/19991231/" + strings.Repeat("1", 110) + ".wav"), codeLong},
		"play a backslash":      {"requestPlayVoice", file(originalFile), codeFormat},
		"play nothing":          {"requestPlayVoice", file(nil), codeNull},
		"play the unknown":      {"requestPlayVoice", file("Y:/39/0/19991231/101/1.V3"), codeNoFile},
		"play no date":          {"requestPlayVoice", file("Y:/39/0/19991331/101/1.V3"), codeFileDate},
		"upload without vdn":    {"ivr/uploadFile", map[string]any{"data": "AAAA"}, codeNull},
		"upload for a name":     {"ivr/uploadFile?vdnId=a", map[string]any{"data": "AAAA"}, codeFormat},
		"upload nothing":        {"ivr/uploadFile?vdnId=39", map[string]any{}, codeNull},
		"upload no Base64":      {"ivr/uploadFile?vdnId=39", map[string]any{"data": "?"}, codeFormat},
		"upload no WAV":         {"ivr/uploadFile?vdnId=39", map[string]any{"data": "AAAA"}, codeFormat},
		"upload too much":       {"ivr/uploadFile?vdnId=39", map[string]any{"data": base64.StdEncoding.EncodeToString(make([]byte, maxPrompt+1))}, codeLong},
		"download no prompt":    {"ivr/downloadFile", map[string]any{"filePath": "Y:/x.wav"}, codeNoFile},
		"download no path":      {"ivr/downloadFile", map[string]any{}, codeNull},
		"odd mode":              {"ivr/downloadFile", map[string]any{"filePath": "Y:/x.wav", "mode": "one"}, codeFormat},
		"delete no prompt":      {"ivr/deleteFile", file("Y:/x.wav"), codeNoFile},
		"delete nothing":        {"ivr/deleteFile", file(""), codeEmpty},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(r *rig) {
				if out := r.ask(c.op, c.msg); out.ResultCode != c.code {
					t.Errorf("%+v", out)
				}
			})
		})
	}
}

// TestFlowRecordings are there for every name of a day that has begun.
func TestFlowRecordings(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		for _, op := range []string{"downloadIVRRecordFile", "downloadIVRRecordFile?locationId=256", "downloadOiapRecord?locationId=0"} {
			for _, name := range []string{"Y:/39/record/19991230/1.wav", "Y:/record/39/odfsrecord/19991230/x.wav", "Y:/39/odfsrecord/19991230/1.wav",
				"Y:/record/39/19991230/1.wav", "Y:/39/transferrecord/19991230/1.wav"} {
				samePlain(t, op+" "+name, r.call(op, envelope(t, map[string]any{"fileName": name})), voice.Tone(name, time.Second/5))
			}
		}
		if said := r.truth.Snapshot().Recordings; len(said) != 5 || said[0].SHA256 == "" {
			t.Errorf("truth %+v", said)
		}
	})
}

// TestLateAndAbsentAudio: whatever way it is asked for.
func TestLateAndAbsentAudio(t *testing.T) {
	codes := func(r *rig) (out []string) {
		for _, c := range []reply{
			r.ask("downloadRecordFile", map[string]any{"fileName": recordFile}), r.ask("downloadRecord", map[string]any{"callId": testCall}),
			r.ask("requestPlayVoice", map[string]any{"fileName": originalSlashes}), r.address(nil),
		} {
			out = append(out, c.ResultCode)
		}
		return out
	}
	bubble(t, func(o *Options) { o.Audio.Absent = 1 }, func(r *rig) {
		if got := fmt.Sprint(codes(r)); got != "[0300012 0300012 0300012 0300012]" {
			t.Errorf("absent: %s", got)
		}
		if said := r.truth.Snapshot().Recordings; len(said) != 1 || !said[0].Absent || said[0].SHA256 != "" {
			t.Errorf("truth %+v", said)
		}
	})
	bubble(t, func(o *Options) { o.Audio.Late, o.Audio.LateBy = 1, time.Hour }, func(r *rig) {
		if got := fmt.Sprint(codes(r)); got != "[0300011 0300011 0300011 0300011]" {
			t.Errorf("late: %s", got)
		}
		r.pass(11 * time.Minute) // known 49 minutes before the start
		w := r.call("downloadRecordFile", envelope(t, map[string]any{"fileName": recordFile}))
		if !strings.HasPrefix(w.Body.String(), "RIFF") {
			t.Errorf("an hour after its row: %s", w.Body)
		}
	})
}

// TestPlayVoice: its failures are labelled as sound, and its token is good for 30 minutes.
func TestPlayVoice(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		token := r.token()
		for address, want := range map[string]string{
			playAddress(""):     codeToken,
			playAddress("0123"): codeToken,
			strings.Replace(playAddress(token), "2.0", "1.0", 1): codeVersion,
		} {
			w := r.get(address)
			if out := r.decode(w); out.ResultCode != want || string(out.ResultData) != "null" || w.Header().Get("Content-Type") != octetType {
				t.Errorf("%s: %v %+v", address, w.Header(), out)
			}
		}
		w := httptest.NewRecorder()
		r.store.ServeHTTP(w, httptest.NewRequest(http.MethodPost, playAddress(token), nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST: %d", w.Code)
		}
		r.set(fault.Rule{Fault: playExpired, Next: 1})
		if out := r.decode(r.get(playAddress(token))); out.ResultCode != codeToken {
			t.Errorf("fault: %+v", out)
		}
		r.pass(30*time.Minute - time.Second)
		if w := r.get(playAddress(token)); !strings.HasPrefix(w.Body.String(), "RIFF") {
			t.Errorf("within its time: %s", w.Body)
		}
		r.pass(time.Second)
		if out := r.decode(r.get(playAddress(token))); out.ResultCode != codeToken {
			t.Errorf("after its time: %+v", out)
		}
	})
}

// TestObjectAddresses: flat body, times in UTC without version, both spellings, eight hours.
func TestObjectAddresses(t *testing.T) {
	bubble(t, func(o *Options) {
		o.Audio.ObjectCode, o.Audio.ObjectField, o.Audio.ShortCallIDs = "0100000", "obsFileUrl", true
	}, func(r *rig) {
		if out := r.address(nil); out.ResultCode != codeCallID {
			t.Errorf("the whole call id: %+v", out)
		}
		var data struct{ ObsFileURL string }
		out := r.address(map[string]any{"callId": "1001"})
		if json.Unmarshal(out.ResultData, &data) != nil || out.ResultCode != "0100000" || data.ObsFileURL == "" {
			t.Fatalf("%+v", out)
		}
		u, err := url.Parse(data.ObsFileURL)
		if err != nil || u.Host != "ccfs.example.com:28443" || u.Scheme != "https" {
			t.Fatalf("%v, %v", u, err)
		}
		for address, want := range map[string]int{
			strings.Replace(data.ObsFileURL, "82200000", "1", 1):            http.StatusNotFound,
			strings.Split(data.ObsFileURL, "&Signature")[0] + "&Signature=": http.StatusForbidden,
		} {
			if w := r.get(address); w.Code != want || !strings.HasPrefix(w.Body.String(), "<?xml") {
				t.Errorf("%s: %d %s", address, w.Code, w.Body)
			}
		}
		if w := r.get(data.ObsFileURL); w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		r.pass(8 * time.Hour)
		if w := r.get(data.ObsFileURL); w.Code != http.StatusForbidden {
			t.Errorf("after 8 h: %d", w.Code)
		}
	})
	bubble(t, nil, func(r *rig) {
		for what, c := range map[string]struct {
			change map[string]any
			code   string
		}{
			"no call":         {map[string]any{"callId": nil}, codeNull},
			"empty call":      {map[string]any{"callId": ""}, codeEmpty},
			"long call":       {map[string]any{"callId": strings.Repeat("1", 26)}, codeLong},
			"odd time":        {map[string]any{"beginTime": "yesterday"}, codeFormat},
			"wrong version":   {map[string]any{"version": "1.0"}, codeVersion},
			"backwards":       {map[string]any{"endTime": "1999-01-01 00:00:00"}, codeBackwards},
			"over 3 days":     {map[string]any{"beginTime": "1999-12-01 00:00:00"}, codeSpan},
			"another call":    {map[string]any{"callId": "1714525260-9"}, codeNoData},
			"local, as UTC":   {map[string]any{"version": nil}, codeNoData},
			"no version, UTC": {map[string]any{"version": nil, "beginTime": r.start.Add(-time.Hour).UTC().Format(layout), "endTime": r.start.UTC().Format(layout)}, codeOK},
		} {
			if out := r.address(c.change); out.ResultCode != c.code {
				t.Errorf("%s: %+v", what, out)
			}
		}
	})
	bubble(t, func(o *Options) { o.Form.Edition = 18 }, func(r *rig) {
		w := r.call("getRecordFileUrlFromObs", []byte(`{"callId":"`+testCall+`","beginTime":"1999-12-31 00:00:00","endTime":"1999-12-31 00:00:00"}`))
		if w.Code != http.StatusNotFound {
			t.Errorf("an old platform: %d", w.Code)
		}
	})
}

// TestPrompts uploads a voice file under both names of the operation, fetches and deletes it.
func TestPrompts(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		wav := voice.Tone("welcome", time.Second)
		for _, op := range []string{"ivr/uploadFile", "ivr/upload"} {
			var data uploaded
			out := r.ask(op+"?vdnId=53", map[string]any{"data": base64.StdEncoding.EncodeToString(wav)})
			if json.Unmarshal(out.ResultData, &data) != nil || !strings.HasPrefix(data.FileName, "Y:/3rdfile/53/thirdvoicebotfile/") ||
				strings.Join(data.LocationID, " ") != "0 256" {
				t.Fatalf("%s: %+v", op, out)
			}
			folder := "Y:/3rdfile/53/thirdvoicebotfile"
			samePlain(t, "file", r.call("ivr/downloadFile", envelope(t, map[string]any{"filePath": data.FileName})), wav)
			samePlain(t, "folder", r.call("ivr/downloadFile", envelope(t, map[string]any{"filePath": folder, "mode": 1})), wav)
			if out := r.ask("ivr/deleteFile", map[string]any{"fileName": data.FileName, "locationId": "0"}); out.ResultCode != "0" {
				t.Errorf("delete: %+v", out)
			}
			if out := r.ask("ivr/downloadFile", map[string]any{"filePath": folder, "mode": 1}); out.ResultCode != codeNoFile {
				t.Errorf("an empty folder: %+v", out)
			}
		}
	})
}

// TestAudioFaults: every fault strikes every way that it can strike.
func TestAudioFaults(t *testing.T) {
	ways := map[string]func(r *rig) *httptest.ResponseRecorder{
		"downloadRecordFile": func(r *rig) *httptest.ResponseRecorder {
			return r.call("downloadRecordFile", envelope(t, map[string]any{"fileName": recordFile}))
		},
		"downloadRecord": func(r *rig) *httptest.ResponseRecorder {
			return r.call("downloadRecord", envelope(t, map[string]any{"callId": testCall}))
		},
		"playVoice": func(r *rig) *httptest.ResponseRecorder { return r.get(playAddress(r.token())) },
		"object": func(r *rig) *httptest.ResponseRecorder {
			var data struct{ URL string }
			_ = json.Unmarshal(r.address(nil).ResultData, &data)
			return r.get(data.URL)
		},
	}
	for name, check := range map[string]func(w *httptest.ResponseRecorder, whole []byte) bool{
		audioStatus:    func(w *httptest.ResponseRecorder, _ []byte) bool { return w.Code == 502 },
		audioTruncated: func(w *httptest.ResponseRecorder, whole []byte) bool { return w.Body.Len() == len(whole)/2 },
		audioCut:       func(w *httptest.ResponseRecorder, whole []byte) bool { return w.Body.Len() == len(whole)*50/100 },
		audioNoLength: func(w *httptest.ResponseRecorder, whole []byte) bool {
			return w.Header().Get("Content-Length") == "" && bytes.Equal(w.Body.Bytes(), whole)
		},
		audioSlowDrip: func(w *httptest.ResponseRecorder, whole []byte) bool { return bytes.Equal(w.Body.Bytes(), whole) },
		audioJSONAsOctetStream: func(w *httptest.ResponseRecorder, _ []byte) bool {
			return w.Header().Get("Content-Type") == octetType && strings.Contains(w.Body.String(), codeNoFile)
		},
		audioFlowControl: func(w *httptest.ResponseRecorder, _ []byte) bool {
			return strings.Contains(w.Body.String(), codeDownloads)
		},
		audioLate: func(w *httptest.ResponseRecorder, _ []byte) bool {
			return strings.Contains(w.Body.String(), codeNoFile)
		},
		audioAbsent: func(w *httptest.ResponseRecorder, _ []byte) bool {
			return strings.Contains(w.Body.String(), codeNoData)
		},
	} {
		for op, ask := range ways {
			bubble(t, nil, func(r *rig) {
				whole := ask(r).Body.Bytes()
				r.set(fault.Rule{Fault: name, Operation: op, Next: 1})
				begin := time.Now()
				if w := ask(r); !check(w, whole) {
					t.Errorf("%s of %s: %d %v %.80q", name, op, w.Code, w.Header(), w.Body)
				}
				if name == audioSlowDrip && time.Since(begin) < time.Second {
					t.Errorf("%s of %s took %v", name, op, time.Since(begin))
				}
				if log := r.truth.Snapshot().Downloads; len(log) != 2 || log[1].Result != name {
					t.Errorf("%s of %s: truth %+v", name, op, log)
				}
			})
		}
	}
}

// TestSoundIsSigned, but for what browsers open.
func TestSoundIsSigned(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		for name := range table() {
			req := signed(t, name, envelope(t, map[string]any{}), c2sign.Profile{})
			req.Header.Del("Authorization")
			w := httptest.NewRecorder()
			if r.store.ServeHTTP(w, req); w.Code != http.StatusUnauthorized && w.Code != http.StatusForbidden {
				t.Errorf("%s without a signature: %d", name, w.Code)
			}
		}
	})
}

// TestSoundOfRowsInAnotherZone is found by the tenant's times all the same.
func TestSoundOfRowsInAnotherZone(t *testing.T) {
	bubble(t, nil, func(r *rig) {
		at := r.start.Add(-30 * time.Minute)
		r.book.add(world.Record, at, at, time.UTC, map[string]string{"call_id": "1714525260-7", "file_name": "/record/7.wav"})
		if out := r.address(map[string]any{"callId": "1714525260-7"}); out.ResultCode != codeOK {
			t.Errorf("%+v", out)
		}
	})
}

// TestParallelSound shares the limit of the downloads.
func TestParallelSound(t *testing.T) {
	bubble(t, func(o *Options) { o.ParallelDownloads = 1 }, func(r *rig) {
		r.store.slots.take()
		if out := r.ask("downloadRecordFile", map[string]any{"fileName": recordFile}); out.ResultCode != codeDownloads {
			t.Errorf("%+v", out)
		}
		r.store.slots.release()
		log := r.truth.Snapshot().Downloads
		if len(log) != 1 || log[0] != (truth.Download{Name: recordFile, At: log[0].At, Result: codeDownloads}) {
			t.Errorf("%+v", log)
		}
	})
}

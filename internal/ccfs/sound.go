package ccfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"aiccbridge/internal/foreign"
)

// Sound is what a download of sound brought. Of its bytes the first four are checked, and
// nothing else: whether a WAV is whole, and what is in it, is for the caller to see.
type Sound struct {
	Bytes int64 // written
	// ZIP is true for an archive of WAV files: a call with several recordings. Else it is
	// one WAV, of G.711 A-law on hosted platforms, for names that end in .V3 as well.
	ZIP bool
}

// Original names recordings for DownloadOriginal. One of FileName and CallID is needed.
type Original struct {
	// FileName is column original_file_name of the recording index, X:\17\0\20180903\15470\2043295.V3;
	// it is sent with slashes. At most 225 characters.
	FileName string
	CallID   string // at most 25 characters
	CCID     string // call centre, at most 64 characters; "" means the platform's default, 1
}

type soundFile struct {
	Name string `json:"fileName"`
}

type originalFile struct {
	Name   string `json:"fileName,omitempty"`
	CallID string `json:"callId,omitempty"`
	CCID   string `json:"ccId,omitempty"`
}

// DownloadRecording writes the recording with that file_name of the recording index to w
// (downloadRecordFile, cec_07_0816). An *Error of class NotThere means that there is no
// sound: not yet (0300011), or not at all (0300012), but the platform does not keep the two
// apart reliably. Broken, and failures of w, are as for DownloadBills.
func (c *Client) DownloadRecording(ctx context.Context, fileName string, w io.Writer) (Sound, error) {
	return c.sound(ctx, enveloped("downloadRecordFile", soundFile{fileName}), name(fileName, 225), w)
}

// DownloadOriginal writes the recordings of a call, or the one of that original_file_name,
// to w (downloadRecord, cec_07_0817). Errors are those of DownloadRecording.
func (c *Client) DownloadOriginal(ctx context.Context, o Original, w io.Writer) (Sound, error) {
	return c.sound(ctx, enveloped("downloadRecord", originalFile{slashes(o.FileName), o.CallID, o.CCID}), o.check(), w)
}

func (o Original) check() error {
	if o.FileName == "" && o.CallID == "" {
		return errors.New("neither the original file name nor the call id is given")
	}
	if len(o.CallID) > 25 || len(o.CCID) > 64 {
		return errors.New("call or call centre id is too long (25 and 64 characters)")
	}
	if o.FileName == "" {
		return nil
	}
	return name(o.FileName, 225)
}

// DownloadFlowRecording writes what an IVR flow recorded to w (downloadIVRRecordFile,
// cec_07_0824, 0825). location is the node's id from the IVR's own interface; "" leaves it out.
// Errors are those of DownloadRecording.
func (c *Client) DownloadFlowRecording(ctx context.Context, fileName, location string, w io.Writer) (Sound, error) {
	q := enveloped("downloadIVRRecordFile", soundFile{slashes(fileName)})
	q.query = located(location)
	return c.sound(ctx, q, name(fileName, 225), w)
}

// DownloadOIAPRecording writes a recording of the OIAP to w (downloadOiapRecord, cec_07_0824,
// 0825), as DownloadFlowRecording does.
func (c *Client) DownloadOIAPRecording(ctx context.Context, fileName, location string, w io.Writer) (Sound, error) {
	q := enveloped("downloadOiapRecord", soundFile{slashes(fileName)})
	q.query = located(location)
	return c.sound(ctx, q, name(fileName, 127), w)
}

func located(location string) url.Values {
	if location == "" {
		return nil
	}
	return url.Values{"locationId": {location}}
}

// slashes is how the platform wants its own names.
func slashes(name string) string { return strings.ReplaceAll(name, `\`, "/") }

// name says what is wrong with a name of a file.
func name(s string, longest int) error {
	if s == "" {
		return errors.New("the file name is empty")
	}
	if utf8.RuneCountInString(s) > longest {
		return fmt.Errorf("the file name has more than %d characters", longest)
	}
	return nil
}

// sound makes a call that is answered with sound, unless something is wrong with it.
func (c *Client) sound(ctx context.Context, q call, wrong error, w io.Writer) (s Sound, err error) {
	if wrong != nil {
		return s, invalid(q.operation, wrong)
	}
	err = c.exchange(ctx, q, func(ctx context.Context, a *answer) error {
		s, err = c.streamSound(ctx, q.operation, a, w)
		return err
	})
	return s, err
}

func (c *Client) streamSound(ctx context.Context, operation string, a *answer, w io.Writer) (Sound, error) {
	n, err := c.stream(ctx, operation, a, w, c.options.MaxSoundBytes, zipFile, wavFile)
	return Sound{Bytes: n, ZIP: a.kind == zipFile}, err
}

// Prompt is a voice file that the IVR can play.
type Prompt struct {
	FileName  string   // the platform's, Y:/3rdfile/53/thirdvoicebotfile/8fSsBaEb_1631869974029.wav
	Locations []string // ids of the nodes that have it; may be empty
}

type upload struct {
	Data []byte `json:"data"` // Base64 in JSON
}

type promptPath struct {
	Path string `json:"filePath"`
	Mode int    `json:"mode,omitempty"`
}

type promptName struct {
	Name     string `json:"fileName"`
	Location string `json:"locationId,omitempty"`
}

// UploadPrompt stores a WAV file for the IVR of a virtual call centre (ivr/uploadFile,
// cec_07_0826) and returns its name there. The platform takes 8 kHz, 8 bits, mono, by default
// at most 5 MB, and is asked whatever wav is. A repeated upload makes a second file.
func (c *Client) UploadPrompt(ctx context.Context, vdn int, wav []byte) (Prompt, error) {
	const operation = "ivr/uploadFile"
	if vdn <= 0 || len(wav) == 0 {
		return Prompt{}, invalid(operation, errors.New("the call centre is not a positive number, or the file is empty"))
	}
	q := enveloped(operation, upload{wav})
	q.query = url.Values{"vdnId": {strconv.Itoa(vdn)}}
	var p Prompt
	err := c.ask(ctx, q, "success without a usable file name", func(a *answer) (err error) {
		p, err = readPrompt(a)
		return err
	})
	return p, err
}

func readPrompt(a *answer) (Prompt, error) {
	data, err := foreign.ParseObject(a.data)
	if err != nil {
		return Prompt{}, err
	}
	p := Prompt{FileName: data.Maybe("fileName").String()}
	if err := name(p.FileName, 1024); err != nil || p.FileName != clean(p.FileName) {
		return Prompt{}, errors.New("the file name is empty, too long, or has control characters")
	}
	for _, id := range texts(data.All("locationId")) {
		p.Locations = append(p.Locations, clean(id))
	}
	return p, nil
}

// DownloadPrompt writes a voice file of the IVR to w (ivr/downloadFile). With only, path is a
// folder that must hold exactly one file. Errors are those of DownloadRecording.
func (c *Client) DownloadPrompt(ctx context.Context, path string, only bool, w io.Writer) (Sound, error) {
	p := promptPath{Path: path}
	if only {
		p.Mode = 1
	}
	return c.sound(ctx, enveloped("ivr/downloadFile", p), name(path, 1024), w)
}

// DeletePrompt removes a voice file of the IVR (ivr/deleteFile), from one node if location is
// not empty. An *Error of class NotThere means that there is no such file.
func (c *Client) DeletePrompt(ctx context.Context, fileName, location string) error {
	const operation = "ivr/deleteFile"
	if err := name(fileName, 1024); err != nil {
		return invalid(operation, err)
	}
	return c.ask(ctx, enveloped(operation, promptName{fileName, location}), "", func(*answer) error { return nil })
}

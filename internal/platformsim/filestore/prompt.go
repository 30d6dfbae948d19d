package filestore

import (
	"encoding/base64"
	"net/http"

	"aiccbridge/internal/platformsim/filestore/voice"
)

// maxPrompt is the longest voice file (page cec_07_0826: 5 MB by default).
const maxPrompt = 5 << 20

// prompts are the operations about files of third parties (pages cec_07_0826 to 0829). The
// URI section of the upload says ivr/uploadFile, its sample ivr/upload.
func prompts() []operation {
	upload := operation{
		name: "ivr/uploadFile", large: true, serve: (*Store).upload,
		query:  []field{{"vdnId", 0, true, digits.MatchString}},
		fields: []field{{"data", 0, true, nil}},
	}
	short := upload
	short.name = "ivr/upload"
	return []operation{
		upload, short,
		{name: "ivr/downloadFile", sound: true, serve: (*Store).downloadPrompt, fields: []field{{"filePath", 0, true, nil}, {"mode", 0, false, digits.MatchString}}},
		{name: "ivr/deleteFile", serve: (*Store).deletePrompt, fields: []field{{"fileName", 0, true, nil}, {"locationId", 0, false, digits.MatchString}}},
	}
}

type uploaded struct {
	FileName   string   `json:"fileName"`
	LocationID []string `json:"locationId"`
}

func (s *Store) upload(w http.ResponseWriter, r *http.Request, op *operation, msg message) {
	s.o.Logger.Debug().Str("operation", op.name).Msg("upload") // which of the two names
	wav, err := base64.StdEncoding.DecodeString(msg["data"].value)
	switch {
	case len(wav) > maxPrompt:
		s.refuse(w, jsonType, refuseField(codeLong, "data"))
	case err != nil || !voice.Plays(wav):
		s.refuse(w, jsonType, refuseField(codeFormat, "data"))
	default:
		name := s.prompts.Upload(r.URL.Query().Get("vdnId"), wav, s.o.Now())
		s.writeResult(w, jsonType, result{
			ResultData: uploaded{name, []string{"0", "256"}}, ResultCode: codeOK, ResultDesc: "success",
		})
	}
}

// downloadPrompt sends a file, or with mode 1 the only file of a folder.
func (s *Store) downloadPrompt(w http.ResponseWriter, r *http.Request, op *operation, msg message) {
	find := s.prompts.Get
	if msg["mode"].value == "1" {
		find = s.prompts.Only
	}
	data, ok := find(msg["filePath"].value)
	bad := s.soundFault(r, op.name)
	if _, done := s.badSound(w, bad); done {
		return
	}
	if !ok {
		s.refuse(w, jsonType, refuseNoFile)
		return
	}
	s.sendFile(r.Context(), w, data, bad)
}

func (s *Store) deletePrompt(w http.ResponseWriter, _ *http.Request, _ *operation, msg message) {
	if !s.prompts.Delete(msg["fileName"].value) {
		s.refuse(w, jsonType, refuseNoFile)
		return
	}
	s.writeResult(w, jsonType, result{ResultData: "", ResultCode: codeOK, ResultDesc: "success"})
}

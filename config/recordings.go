package config

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"aiccbridge/config/internal/scalar"
)

// encryptionKeyBytes is the length of a key of AES-256.
const encryptionKeyBytes = 32

// recordings holds the fetching of audio to the rules that concern more than one key.
func (d *decoder) recordings(key string, f *Files) {
	r := &f.Recordings
	r.S3.RootCAs = d.Pool(key+".s3.ca_file", r.S3.CAFile)
	d.place(key, r)
	if !r.Fetch() {
		return
	}
	if f.Extracts.Recording == nil && !d.Bad[key+".mode"] {
		d.Report(key+".mode", "add recording below extracts, or set mode: off", "audio is fetched for the rows of kind recording, which are not extracted")
	}
	if r.Keep > 0 {
		d.atMost(key, "back", r.Back, "keep", r.Keep)
	}
	d.atMost(key, "retry_after", r.RetryAfter, "give_up_after", r.GiveUpAfter)
	if at := key + ".order"; len(r.Order) == 0 && !d.Bad[at] {
		d.Report(at, "name at least one of file_name, original_file_name, call_id and obs, or remove the key", "there is no way to ask for audio")
	}
	d.encryptionKey(key+".encryption_key_file", r.EncryptionKey)
}

func (d *decoder) atMost(section, name string, value time.Duration, limit string, most time.Duration) {
	key := section + "." + name
	if value > most && !d.Bad[key] && !d.Bad[section+"."+limit] {
		d.Report(key, "write at most what "+limit+" says", "%s is more than %s, %s", scalar.DurationString(value), limit, scalar.DurationString(most))
	}
}

func (d *decoder) encryptionKey(key string, s Secret) {
	if !d.Given[key] || d.Bad[key] {
		return
	}
	if raw, err := hex.DecodeString(s.Reveal()); err != nil || len(raw) != encryptionKeyBytes {
		d.Report(key, "make one with: openssl rand -hex 32", "%s does not hold a key of %d hex digits", s.File(), 2*encryptionKeyBytes)
	}
}

// place reports what is missing for the place where recordings are kept, and deleted in their
// time though none is fetched any more.
func (d *decoder) place(key string, r *Recordings) {
	switch r.Store {
	case "folder":
		d.need(key+".folder_dir", r.Folder == "", "name the folder that the recordings go to", "store: folder")
	case "s3":
		d.bucket(key+".s3", r.S3)
	}
}

func (d *decoder) bucket(key string, s S3) {
	d.need(key+".url", s.URL == nil, "write the store's address, for example https://obs.eu-west-101.myhuaweicloud.eu", "store: s3")
	d.need(key+".bucket", s.Bucket == "", "name the bucket, which must be there", "store: s3")
	d.need(key+".access_key_file", s.AccessKey.Reveal() == "", "name the file that holds the access key", "store: s3")
	d.need(key+".secret_key_file", s.SecretKey.Reveal() == "", "name the file that holds the secret key", "store: s3")
	if s.URL != nil && s.URL.Scheme == "http" && !d.Bad[key+".url"] {
		d.Warn(key+".url", "write https:// where the store has it", "audio goes to the store in the clear")
	}
	if s.URL != nil && strings.Trim(s.URL.Path, "/") != "" && !d.Bad[key+".url"] {
		d.Report(key+".url", "write bucket and prefix below s3, and the address alone here", "the URL has a path")
	}
}

// need reports a key that is missing because of another one's value.
func (d *decoder) need(key string, missing bool, remedy, because string) {
	if missing && !d.Bad[key] {
		d.ReportAt(key, d.Where(key), scalar.Faultf(remedy, "%s", fmt.Sprintf("the key is missing although %s is given", because)))
	}
}

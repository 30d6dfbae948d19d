package platformsim

import (
	"fmt"
	"os"
	"path/filepath"

	"aiccbridge/internal/platformsim/world"
)

// Settings is what a client needs to know of a running simulator.
type Settings struct {
	GatewayURL    string `json:"gateway_url"` // …/agentgateway/resource
	FilesURL      string `json:"files_url"`   // …/CCFS/resource/ccfs
	MonitorURL    string `json:"monitor_url"` // …/rest/cmsapp/v1/openapi
	ManagementURL string `json:"management_url,omitempty"`
	// CAPEM is the authority of all services; CAFile, only with Options.Dir,
	// the file that holds it.
	CAPEM  string `json:"ca_pem"`
	CAFile string `json:"ca_file,omitempty"`

	AccessKey     string `json:"access_key"`
	SecretKey     string `json:"secret_key"`
	SecretKeyFile string `json:"secret_key_file,omitempty"` // only with Options.Dir
	AccountID     string `json:"account_id"`
	// Spaces are the further tenant spaces of the developer account.
	Spaces []string `json:"spaces,omitempty"`

	Agents   []AgentSettings `json:"agents"`
	Timezone string          `json:"timezone"` // IANA name

	// The certificate for the client's callback listener: PEM, and with
	// Options.Dir the files.
	CallbackCertPEM  string `json:"callback_cert_pem"`
	CallbackKeyPEM   string `json:"callback_key_pem"`
	CallbackCertFile string `json:"callback_cert_file,omitempty"`
	CallbackKeyFile  string `json:"callback_key_file,omitempty"`
}

// AgentSettings is an agent who may sign in.
type AgentSettings struct {
	ID           string `json:"id"`
	Phone        string `json:"phone"`
	Password     string `json:"password"`
	PasswordFile string `json:"password_file,omitempty"` // only with Options.Dir
}

func agentSettings(agents []world.Agent) []AgentSettings {
	out := make([]AgentSettings, len(agents))
	for i, a := range agents {
		out[i] = AgentSettings{ID: a.ID, Phone: a.Phone, Password: a.Password}
	}
	return out
}

// save writes the secrets to dir and fills in the file names.
func (s *Settings) save(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "agents"), 0o700); err != nil {
		return fmt.Errorf("make the simulator's directory: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("find the simulator's directory: %w", err)
	}
	write := func(file *string, name, content string) {
		if err != nil {
			return
		}
		*file = filepath.Join(dir, name)
		err = os.WriteFile(*file, []byte(content), 0o600)
	}
	write(&s.CAFile, "ca.pem", s.CAPEM)
	write(&s.CallbackCertFile, "bridge.crt", s.CallbackCertPEM)
	write(&s.CallbackKeyFile, "bridge.key", s.CallbackKeyPEM)
	write(&s.SecretKeyFile, "secret_key", s.SecretKey)
	for i := range s.Agents {
		a := &s.Agents[i]
		write(&a.PasswordFile, filepath.Join("agents", a.ID), a.Password)
	}
	if err != nil {
		return fmt.Errorf("write the simulator's files: %w", err)
	}
	return nil
}

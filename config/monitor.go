package config

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"time"
)

// Monitor is a tenant's CC-CMS: where agents stand, by looking.
type Monitor struct {
	URL               *url.URL       `yaml:"url" required:"write the monitor's base URL, for example https://cms.example.com:28443/rest/cmsapp/v1/openapi"`
	CC                int            `yaml:"cc_id" default:"1" min:"1" max:"65535"`
	VDN               int            `yaml:"vdn" required:"write the number of the VDN whose agents are to be seen" min:"1" max:"5000"`
	Interval          time.Duration  `yaml:"interval" default:"5s" min:"2s" max:"5m" why:"a state that lasts less than two intervals may not be seen"`
	RequestsPerSecond int            `yaml:"requests_per_second" default:"2" min:"1" max:"100"` // of the access key, all tenants and bridges together
	AccessKey         string         `yaml:"access_key" required:"write the developer's access key (AK)" match:"^[^\\s/;[:cntrl:]]{1,128}$" say:"1 to 128 signs without blanks, / or ;"`
	SecretKey         Secret         `yaml:"secret_key_file" required:"name the file that holds the developer's secret key (SK)"`
	SignedHeaders     string         `yaml:"signed_headers" default:"all" oneof:"all|host"`
	EmptyQueryLine    bool           `yaml:"empty_query_line" default:"false"`
	CAFile            string         `yaml:"ca_file"` // these as for the gateway
	RootCAs           *x509.CertPool `yaml:"-"`
	AllowInsecureHTTP bool           `yaml:"allow_insecure_http" default:"false"`
	AllowLinkLocal    bool           `yaml:"allow_link_local" default:"false"`
	SkipVerify        bool           `yaml:"insecure_skip_verify" default:"false"`
	ProxyURL          *url.URL       `yaml:"proxy_url"`
	ProxyCredentials  Secret         `yaml:"proxy_credentials_file"`
	ProxyCAFile       string         `yaml:"proxy_ca_file"`
	ProxyRootCAs      *x509.CertPool `yaml:"-"`
}

// Monitored reports whether the tenant's events are what is seen of the agents.
func (t Tenant) Monitored() bool { return t.Events == "monitor" }

// Confirmed reports whether what polls bring of the tenant's agents is held against the monitor.
func (t Tenant) Confirmed() bool {
	return t.Monitor != nil && t.Gateway != nil && (t.Events == "poll" || t.Events == "handover")
}

// monitor holds a monitor to the rules that concern more than one key.
func (d *decoder) monitor(key string, m *Monitor) {
	d.scheme(key, m.URL, m.AllowInsecureHTTP)
	d.linkLocal(key, m.URL, m.AllowLinkLocal)
	d.base(key, m.URL, "/rest/cmsapp/v1/openapi")
	m.RootCAs = d.Pool(key+".ca_file", m.CAFile)
	d.warnSkipVerify(key, m.SkipVerify)
	m.ProxyRootCAs = d.proxy(key, m.ProxyURL, m.ProxyCredentials, m.ProxyCAFile)
}

// looks holds the monitors of one access key to what it may ask: each has an equal share, and
// wants two requests an interval, one to look and one to ask since when.
func (d *decoder) looks(c *Config) {
	sharing := map[string]int{}
	for _, t := range c.Tenants {
		if t.Monitor != nil {
			sharing[t.Monitor.AccessKey]++
		}
	}
	for i, t := range c.Tenants {
		key := fmt.Sprintf("tenants[%d].monitor", i)
		if t.Monitor == nil || d.Bad[key+".access_key"] || d.Bad[key+".interval"] || d.Bad[key+".requests_per_second"] {
			continue
		}
		tenants, rate := sharing[t.Monitor.AccessKey], t.Monitor.RequestsPerSecond
		if least := 2 * time.Second * time.Duration(tenants) / time.Duration(max(rate, 1)); t.Monitor.Interval < least {
			d.Report(key+".interval", fmt.Sprintf("make it %v or longer, or raise requests_per_second if the platform bears it", least),
				"the interval is too short for two requests: tenants of this access key: %d, requests_per_second: %d", tenants, rate)
		}
	}
}

// sources holds a tenant to having something that brings what it wants.
func (d *decoder) sources(key string, t *Tenant) {
	monitored := t.Monitored() && !d.Bad[key+".events"]
	switch {
	case d.Bad[key]:
	case monitored && !d.Given[key+".monitor"]:
		d.Report(key+".events", "add the section monitor, which says where agents can be seen", "there is no monitor to look at")
	case monitored && d.Given[key+".gateway"]:
		d.Report(key+".gateway", "remove the section: agents who are looked at are not polled; or name another way in events", "the tenant's events are what the monitor shows")
	case !d.Given[key+".gateway"] && !d.Given[key+".files"] && !monitored:
		d.Report(key, "add gateway for live events, files for CDRs and recordings, or both, or monitor with events: monitor", "the tenant has neither gateway nor files")
	}
}

// beside warns of a monitor that nothing is held against.
func (d *decoder) beside(key string, t *Tenant) {
	if t.Monitored() || t.Confirmed() || d.Bad[key+".events"] || d.Bad[key+".gateway"] {
		return
	}
	d.Warn(key+".monitor", "remove the section, or have the agents polled: events: poll or handover", "nothing is held against the monitor: the tenant's agents are not polled")
}

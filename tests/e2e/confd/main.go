// A stand-in for confd, for machines on which confd itself cannot be had: it reads the same files, renders them by Go's own text/template with the
// functions of confd that pgcluster's template uses, and checks, replaces and reloads as confd says it does. What it shows is pgcluster's side of it.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"text/template"
	"time"
)

type pair struct{ Key, Value string }

var line = regexp.MustCompile(`(?m)^([a-z_-]+) = (.*)$`)
var quoted = regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`)

// As much of TOML as these files have.
func settings(file string) (map[string][]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, one := range line.FindAllStringSubmatch(string(text), -1) {
		for _, word := range quoted.FindAllStringSubmatch(one[2], -1) {
			found[one[1]] = append(found[one[1]], word[1])
		}
		if len(found[one[1]]) == 0 {
			found[one[1]] = []string{one[2]}
		}
	}
	return found, nil
}

// Where scheme is https: the authority and the certificate of the settings.
func transport(found map[string][]string) (*http.Transport, error) {
	if len(found["scheme"]) == 0 || found["scheme"][0] != "https" {
		return nil, nil
	}
	trusted, err := os.ReadFile(found["client_cakeys"][0])
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(trusted)
	own, err := tls.LoadX509KeyPair(found["client_cert"][0], found["client_key"][0])
	if err != nil {
		return nil, err
	}
	return &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}}}, nil
}

func members(client http.Client, nodes []string, prefix string) ([]pair, error) {
	end := []byte(prefix)
	end[len(end)-1]++
	body := fmt.Sprintf(`{"key":%q,"range_end":%q}`, base64.StdEncoding.EncodeToString([]byte(prefix)), base64.StdEncoding.EncodeToString(end))
	var last error = errors.New("no nodes")
	for _, node := range nodes {
		answer, err := client.Post(node+"/v3/kv/range", "application/json", strings.NewReader(body))
		if err != nil {
			last = err
			continue
		}
		defer answer.Body.Close()
		var read struct{ Kvs []struct{ Key, Value []byte } }
		if last = json.NewDecoder(answer.Body).Decode(&read); last != nil || answer.StatusCode != 200 {
			continue
		}
		var pairs []pair
		for _, one := range read.Kvs {
			pairs = append(pairs, pair{string(one.Key), string(one.Value)})
		}
		sort.Slice(pairs, func(i, j int) bool { return pairs[i].Key < pairs[j].Key })
		return pairs, nil
	}
	return nil, last
}

func process(folder string, client http.Client, nodes []string) error {
	resource, err := settings(filepath.Join(folder, "conf.d/haproxy.toml"))
	if err != nil {
		return err
	}
	prefix := resource["prefix"][0]
	pairs, err := members(client, nodes, prefix+resource["keys"][0])
	if err != nil {
		return err
	}
	source := filepath.Join(folder, "templates", resource["src"][0])
	functions := template.FuncMap{
		"base": path.Base, "split": strings.Split, "trimSuffix": strings.TrimSuffix,
		"json": func(text string) (read map[string]interface{}, err error) {
			err = json.Unmarshal([]byte(text), &read)
			return
		},
		"gets": func(pattern string) ([]pair, error) {
			var found []pair
			for _, one := range pairs {
				key := strings.TrimPrefix(one.Key, prefix)
				fits, err := path.Match(pattern, key)
				if err != nil {
					return nil, err
				}
				if fits {
					found = append(found, pair{key, one.Value})
				}
			}
			return found, nil
		},
	}
	wished, err := template.New(filepath.Base(source)).Funcs(functions).ParseFiles(source)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := wished.Execute(&text, nil); err != nil {
		return err
	}
	destination := resource["dest"][0]
	if now, err := os.ReadFile(destination); err == nil && bytes.Equal(now, text.Bytes()) {
		return nil
	}
	staged := filepath.Join(filepath.Dir(destination), "."+filepath.Base(destination)+".staged")
	if err := os.WriteFile(staged, text.Bytes(), 0644); err != nil {
		return err
	}
	defer os.Remove(staged)
	run := func(command string) error {
		if said, err := exec.Command("/bin/sh", "-c", command).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %v: %s", command, err, said)
		}
		return nil
	}
	if err := run(strings.ReplaceAll(resource["check_cmd"][0], "{{.src}}", staged)); err != nil {
		return err
	}
	if err := os.Rename(staged, destination); err != nil {
		return err
	}
	fmt.Println("updated", destination)
	return run(resource["reload_cmd"][0])
}

func main() {
	if len(os.Args) != 3 || os.Args[1] != "-config-file" {
		fmt.Fprintln(os.Stderr, "usage: confd -config-file FILE")
		os.Exit(2)
	}
	for {
		interval := 10
		config, err := settings(os.Args[2])
		if err == nil {
			interval, err = strconv.Atoi(config["interval"][0])
		}
		if err == nil && config["backend"][0] != "etcd" {
			err = errors.New("unknown backend")
		}
		if err == nil {
			client := http.Client{Timeout: 3 * time.Second}
			var by *http.Transport
			if by, err = transport(config); by != nil {
				client.Transport = by
			}
			if err == nil {
				err = process(config["confdir"][0], client, config["nodes"])
			}
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		time.Sleep(time.Duration(interval) * time.Second)
	}
}

// A stand-in for confd, for machines on which confd itself cannot be had: it reads the same files, renders them by Go's own text/template with the
// functions of confd that pgcluster's template uses, and checks, replaces and reloads as confd says it does. What it shows is pgcluster's side of it.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	return &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{own}}}, nil
}

// A field of a protocol buffer: its number, and bytes.
func field(number byte, value []byte) []byte {
	return append(binary.AppendUvarint([]byte{number<<3 | 2}, uint64(len(value))), value...)
}

// The fields of a message that are bytes, in their order.
func fields(message []byte, take func(number uint64, value []byte)) error {
	for len(message) > 0 {
		tag, size := binary.Uvarint(message)
		if size <= 0 {
			return errors.New("no protocol buffer")
		}
		message = message[size:]
		number, size := binary.Uvarint(message)
		if size <= 0 {
			return errors.New("no protocol buffer")
		}
		message = message[size:]
		if tag&7 != 2 {
			continue
		}
		if number > uint64(len(message)) {
			return errors.New("no protocol buffer")
		}
		take(tag>>3, message[:number])
		message = message[number:]
	}
	return nil
}

// As confd's client of etcd speaks: gRPC, by which etcd knows it by the name of its certificate.
func membersByGrpc(client http.Client, node, prefix string, end []byte) ([]pair, error) {
	message := append(field(1, []byte(prefix)), field(2, end)...)
	request, err := http.NewRequest("POST", node+"/etcdserverpb.KV/Range", bytes.NewReader(append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message))), message...)))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/grpc")
	request.Header.Set("TE", "trailers")
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	for _, from := range []http.Header{answer.Header, answer.Trailer} {
		if status := from.Get("Grpc-Status"); status != "" && status != "0" {
			return nil, errors.New(from.Get("Grpc-Message"))
		}
	}
	if len(body) < 5 {
		return nil, errors.New("no answer")
	}
	var pairs []pair
	err = fields(body[5:], func(number uint64, value []byte) {
		if number != 2 {
			return
		}
		var one pair
		_ = fields(value, func(part uint64, text []byte) {
			if part == 1 {
				one.Key = string(text)
			} else if part == 5 {
				one.Value = string(text)
			}
		})
		pairs = append(pairs, one)
	})
	sort.Slice(pairs, func(i, j int) bool { return pairs[i].Key < pairs[j].Key })
	return pairs, err
}

func members(client http.Client, nodes []string, prefix string) ([]pair, error) {
	end := []byte(prefix)
	end[len(end)-1]++
	if client.Transport != nil {
		var last error = errors.New("no nodes")
		for _, node := range nodes {
			pairs, err := membersByGrpc(client, node, prefix, end)
			if err == nil {
				return pairs, nil
			}
			last = err
		}
		return nil, last
	}
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

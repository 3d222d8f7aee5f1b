{{- define "belljar.name" -}}
{{- if contains "belljar" .Release.Name -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}{{ printf "%s-belljar" .Release.Name | trunc 50 | trimSuffix "-" }}{{- end -}}
{{- end -}}

{{- define "belljar.selector" -}}
app.kubernetes.io/name: belljar
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "belljar.labels" -}}
{{ include "belljar.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "belljar.claim" -}}
{{- .Values.persistence.existingClaim | default (include "belljar.name" .) -}}
{{- end -}}

{{/* What cannot work is said here, rather than by pods that do not start. */}}
{{- define "belljar.checks" -}}
{{- $modes := .Values.persistence.accessModes -}}
{{- $several := or (gt (int .Values.replicas) 1) .Values.autoscaling.enabled -}}
{{- $store := .Values.store.url -}}
{{- if and $several (not .Values.persistence.enabled) (not $store) -}}
{{- fail "several replicas need a store that all of them have: set store.url, or persistence.enabled" -}}
{{- end -}}
{{- if and $several .Values.persistence.enabled (not .Values.persistence.existingClaim) (not (has "ReadWriteMany" $modes)) -}}
{{- fail "several replicas need a claim that many can write to: set persistence.accessModes to [ReadWriteMany], or with a bucket persistence.enabled to false" -}}
{{- end -}}
{{- if and $several (not .Values.persistence.enabled) (has "keys" .Values.authentication) (not .Values.clientKeysSecret) -}}
{{- fail "replicas that share no volume need the keys of clients from a Secret: set clientKeysSecret" -}}
{{- end -}}
{{- if ne (empty $store) (empty .Values.store.secret) -}}
{{- fail "store.url and store.secret, which has the keys that seal what is in the bucket, belong together" -}}
{{- end -}}
{{- if and $store .Values.networkPolicy.enabled (not .Values.networkPolicy.egress) -}}
{{- fail "networkPolicy.egress must let pods reach the bucket that store.url names" -}}
{{- end -}}
{{- $drain := regexFind "(?m)^\\s*drain_seconds\\s*=\\s*[0-9_]+" .Values.settings | regexFind "[0-9_]+$" | replace "_" "" | default "30" | int -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (add $drain 10 | int) -}}
{{- fail (printf "terminationGracePeriodSeconds is %d and must be more than drain_seconds (%d) and 10 s for the last answers, or runs are cut off" (int .Values.terminationGracePeriodSeconds) $drain) -}}
{{- end -}}
{{- if and (or .Values.autoscaling.enabled .Values.metrics.serviceMonitor) (not .Values.metrics.enabled) -}}
{{- fail "autoscaling and a ServiceMonitor need metrics.enabled" -}}
{{- end -}}
{{- if not .Values.publicUrl -}}
{{- fail "publicUrl must say where clients find the server, such as https://belljar.example/mcp" -}}
{{- end -}}
{{- end -}}

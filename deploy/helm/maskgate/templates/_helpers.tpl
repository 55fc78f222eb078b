{{- define "maskgate.name" -}}
{{- if contains "maskgate" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-maskgate" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "maskgate.selector" -}}
app.kubernetes.io/name: maskgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "maskgate.labels" -}}
{{ include "maskgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* The file that the gateway reads: the values' own keys, and those that have to fit the pod. */}}
{{- define "maskgate.config" -}}
{{- $address := ternary "127.0.0.1:8080" "0.0.0.0:8080" (eq .Values.mode "sidecar") }}
{{- $listen := merge (dict "address" $address) (default dict .Values.config.listen) }}
{{- $admin := dict "address" "0.0.0.0:9091" "allow_remote" true }}
{{- $own := dict "listen" $listen "admin" $admin "drain" (printf "%ds" (int .Values.stop.drain)) }}
{{- toYaml (merge $own .Values.config) }}
{{- end }}

{{- /* The gateway's container, of an edge, a test or a sidecar. */}}
{{- define "maskgate.container" -}}
name: maskgate
image: {{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- if eq .Values.mode "sidecar" }}
restartPolicy: Always
{{- end }}
{{- if eq .Values.mode "test" }}
args: [demo, --config, /etc/maskgate/maskgate.yaml, --latency, {{ .Values.test.latency | quote }}, --error-rate, {{ .Values.test.errorRate | quote }}]
{{- else }}
args: [run, --config, /etc/maskgate/maskgate.yaml]
{{- end }}
{{- with .Values.env }}
env: {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  {{- if ne .Values.mode "sidecar" }}
  - { name: http, containerPort: 8080 }
  {{- end }}
  - { name: admin, containerPort: 9091 }
startupProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 1
  failureThreshold: 30
readinessProbe:
  httpGet: { path: /readyz, port: admin }
  periodSeconds: 5
livenessProbe:
  httpGet: { path: /healthz, port: admin }
  periodSeconds: 10
{{- if and .Values.stop.preStop (ne .Values.mode "sidecar") }}
lifecycle:
  preStop:
    sleep: { seconds: {{ .Values.stop.preStop }} }
{{- end }}
{{- with .Values.resources }}
resources: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: { drop: [ALL] }
  seccompProfile: { type: RuntimeDefault }
volumeMounts:
  # The whole directory: a file mounted by subPath is never updated.
  - { name: maskgate, mountPath: /etc/maskgate, readOnly: true }
  {{- with .Values.volumeMounts }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

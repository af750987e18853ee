{{- define "sopsync.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "sopsync.labels" -}}
app.kubernetes.io/name: sopsync
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end -}}

{{- define "sopsync.selector" -}}
app.kubernetes.io/name: sopsync
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "sopsync.podLabels" -}}
{{ include "sopsync.labels" . }}
{{- if eq .root.Values.identity.provider "azure" }}
azure.workload.identity/use: "true"
{{- end }}
{{- with .root.Values.podLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* The arguments of one run; role is apply or drift. */ -}}
{{- define "sopsync.args" -}}
{{- $v := .root.Values -}}
- reconcile
- {{ printf "--repo=%s" (required "repository.url is required" $v.repository.url) | quote }}
- {{ printf "--rev=%s" $v.repository.ref | quote }}
- {{ printf "--config=%s" $v.repository.config | quote }}
- {{ printf "--log-format=%s" $v.logFormat | quote }}
- {{ printf "--verify-within=%s" (ternary $v.drift.verifyWithin $v.verifyWithin (eq .role "drift")) | quote }}
{{- if eq $v.repository.auth "token" }}
- --token-file=/var/run/secrets/sopsync/git/token
- {{ printf "--token-user=%s" $v.repository.token.user | quote }}
{{- else if eq $v.repository.auth "command" }}
- {{ printf "--token-command=%s" (required "repository.command is required for auth: command" $v.repository.command) | quote }}
- {{ printf "--token-user=%s" $v.repository.token.user | quote }}
{{- else if eq $v.repository.auth "ssh" }}
- --ssh-key=/var/run/secrets/sopsync/git/ssh-privatekey
- --known-hosts=/var/run/secrets/sopsync/git/known_hosts
{{- end }}
{{- if $v.repository.allowedSigners.configMap }}
- --require-signed
- {{ printf "--allowed-signers=/etc/sopsync/signers/%s" $v.repository.allowedSigners.key | quote }}
{{- end }}
{{- if $v.webhook.secret }}
- --webhook-url-file=/var/run/secrets/sopsync/webhook/url
- --webhook-key-file=/var/run/secrets/sopsync/webhook/key
{{- end }}
{{- with $v.pushgateway }}
- {{ printf "--pushgateway=%s" . | quote }}
{{- end }}
{{- if eq .role "drift" }}
- --dry-run
- {{ printf "--interval=%s" $v.drift.interval | quote }}
{{- if $v.drift.sealed }}
- --sealed
{{- end }}
{{- else if eq $v.mode "deployment" }}
- {{ printf "--every=%s" $v.interval | quote }}
- --listen=:9090
{{- else }}
- {{ printf "--interval=%s" $v.interval | quote }}
{{- if gt (int $v.shards) 1 }}
- {{ printf "--shard=%d" (int $v.shards) | quote }}
{{- end }}
{{- end }}
{{- with $v.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sopsync.pod" -}}
{{- $v := .root.Values -}}
{{- $keys := and $v.age.secret (not (and (eq .role "drift") $v.drift.sealed)) -}}
serviceAccountName: {{ include "sopsync.name" .root }}-{{ .role }}
automountServiceAccountToken: {{ $v.automountServiceAccountToken }}
enableServiceLinks: false
terminationGracePeriodSeconds: 120
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with $v.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: sopsync
    image: {{ required "image.repository is required" $v.image.repository }}@{{ required "image.digest is required" $v.image.digest }}
    imagePullPolicy: {{ $v.image.pullPolicy }}
    args:
      {{- include "sopsync.args" . | nindent 6 }}
    env:
      - {name: TMPDIR, value: /tmp}
      - {name: HOME, value: /tmp}
      {{- if $keys }}
      - {name: SOPS_AGE_KEY_FILE, value: /var/run/secrets/sopsync/age/keys.txt}
      {{- end }}
      {{- with $v.extraEnv }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- if and (eq $v.mode "deployment") (eq .role "apply") }}
    ports:
      - {name: http, containerPort: 9090}
    livenessProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 60
      timeoutSeconds: 10
    readinessProbe:
      httpGet: {path: /healthz, port: http}
      periodSeconds: 60
      timeoutSeconds: 10
    {{- end }}
    resources:
      {{- toYaml $v.resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- if or (eq $v.repository.auth "token") (eq $v.repository.auth "ssh") }}
      - {name: git, mountPath: /var/run/secrets/sopsync/git, readOnly: true}
      {{- end }}
      {{- if $v.repository.allowedSigners.configMap }}
      - {name: signers, mountPath: /etc/sopsync/signers, readOnly: true}
      {{- end }}
      {{- if $keys }}
      - {name: age, mountPath: /var/run/secrets/sopsync/age, readOnly: true}
      {{- end }}
      {{- if $v.webhook.secret }}
      - {name: webhook, mountPath: /var/run/secrets/sopsync/webhook, readOnly: true}
      {{- end }}
      {{- if eq $v.identity.provider "vault" }}
      - {name: vault, mountPath: /var/run/secrets/sopsync/vault, readOnly: true}
      {{- end }}
      {{- with $v.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
volumes:
  - name: tmp
    emptyDir: {medium: Memory, sizeLimit: {{ $v.memory | quote }}}
  {{- if eq $v.repository.auth "token" }}
  - name: git
    secret:
      secretName: {{ required "repository.token.secret is required for auth: token" $v.repository.token.secret | quote }}
      defaultMode: 0440
      items: [{key: {{ $v.repository.token.key | quote }}, path: token}]
  {{- else if eq $v.repository.auth "ssh" }}
  - name: git
    secret:
      secretName: {{ required "repository.ssh.secret is required for auth: ssh" $v.repository.ssh.secret | quote }}
      defaultMode: 0440
      items: [{key: ssh-privatekey, path: ssh-privatekey}, {key: known_hosts, path: known_hosts}]
  {{- end }}
  {{- with $v.repository.allowedSigners.configMap }}
  - name: signers
    configMap: {name: {{ . | quote }}}
  {{- end }}
  {{- if $keys }}
  - name: age
    secret:
      secretName: {{ $v.age.secret | quote }}
      defaultMode: 0440
      items: [{key: {{ $v.age.key | quote }}, path: keys.txt}]
  {{- end }}
  {{- if $v.webhook.secret }}
  - name: webhook
    secret:
      secretName: {{ $v.webhook.secret | quote }}
      defaultMode: 0440
      items: [{key: {{ $v.webhook.urlKey | quote }}, path: url}, {key: {{ $v.webhook.key | quote }}, path: key}]
  {{- end }}
  {{- if eq $v.identity.provider "vault" }}
  - name: vault
    projected:
      defaultMode: 0440
      sources:
        - serviceAccountToken:
            audience: {{ $v.identity.vault.audience | quote }}
            expirationSeconds: {{ $v.identity.vault.expirationSeconds }}
            path: token
  {{- end }}
  {{- with $v.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $v.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $v.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "sopsync.cronjob" -}}
{{- $v := .root.Values -}}
{{- $parts := and (eq .role "apply") (gt (int $v.shards) 1) -}}
apiVersion: batch/v1
kind: CronJob
metadata:
  name: {{ include "sopsync.name" .root }}-{{ .role }}
  labels:
    {{- include "sopsync.labels" . | nindent 4 }}
spec:
  schedule: {{ .schedule | quote }}
  timeZone: {{ $v.timeZone | quote }}
  concurrencyPolicy: Forbid
  startingDeadlineSeconds: 300
  successfulJobsHistoryLimit: 1
  failedJobsHistoryLimit: 3
  jobTemplate:
    spec:
      {{- if $parts }}
      completionMode: Indexed
      completions: {{ $v.shards }}
      parallelism: {{ $v.shards }}
      {{- end }}
      activeDeadlineSeconds: {{ $v.activeDeadlineSeconds }}
      {{ ternary "backoffLimitPerIndex" "backoffLimit" $parts }}: {{ $v.backoffLimit }}
      ttlSecondsAfterFinished: 86400
      # A rerun at once heals none of these exit codes; the next scheduled run looks again. Only 1 (git or everything
      # unreachable) is tried again, and what the cluster itself cut off.
      podFailurePolicy:
        rules:
          - action: Ignore
            onPodConditions: [{type: DisruptionTarget, status: "True"}]
          - action: {{ ternary "FailIndex" "FailJob" $parts }}
            onExitCodes: {containerName: sopsync, operator: In, values: [2, 3, 4, 5, 64]}
      template:
        metadata:
          labels:
            {{- include "sopsync.podLabels" . | nindent 12 }}
          {{- with $v.podAnnotations }}
          annotations:
            {{- toYaml . | nindent 12 }}
          {{- end }}
        spec:
          restartPolicy: Never
          {{- include "sopsync.pod" . | nindent 10 }}
{{- end -}}

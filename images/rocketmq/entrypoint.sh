#!/bin/bash
# name-server | broker | admin … | setup: one of RocketMQ's programs. Everything it keeps and logs is below /data.
#   NAMESRV_ADDR             where the name server is, host:port; for all others
#   TOPICS, CONSUMER_GROUPS  what setup makes, words with spaces between them; topics are of type NORMAL
#   JAVA_OPT                 options of the JVM, the heap above all
#   BROKER_NAME, BROKER_HOST name of the broker, and the address at which others find it; default: this machine's
set -euo pipefail
export ROCKETMQ_HOME=/data
mkdir -p /data/tmp
# shellcheck disable=SC2206 # JAVA_OPT is several words.
java=(java ${JAVA_OPT:-} -Duser.home=/data -Djava.io.tmpdir=/data/tmp)
for package in java.base/sun.nio.ch java.base/java.nio java.base/java.net java.base/jdk.internal.misc java.base/jdk.internal.ref; do
  java+=("--add-exports=$package=ALL-UNNAMED" "--add-opens=$package=ALL-UNNAMED")
done
java+=(-cp '/opt/rocketmq/lib/*')

admin() {
  "${java[@]}" "-Drocketmq.namesrv.addr=$NAMESRV_ADDR" org.apache.rocketmq.tools.command.MQAdminStartup "$@"
}

# The tool ends with 0 also when it could do nothing: only its words tell. Without a broker there is nothing to make anything in: it is tried again.
until_success() {
  local said
  until said=$(admin "$@" 2>&1) && [[ $said == *success* ]]; do
    echo "$said" | head -3
    sleep 1
  done
  echo "$said" | head -1
}

broker_settings() {
  cat <<CONF
brokerClusterName=DefaultCluster
brokerName=${BROKER_NAME:-broker-a}
brokerId=0
brokerIP1=${BROKER_HOST:-$(hostname -i | cut -d' ' -f1)}
listenPort=10911
namesrvAddr=$NAMESRV_ADDR
storePathRootDir=/data/store
storePathCommitLog=/data/store/commitlog
flushDiskType=ASYNC_FLUSH
registerNameServerPeriod=10000
autoCreateTopicEnable=false
autoCreateSubscriptionGroup=false
mappedFileSizeCommitLog=67108864
mappedFileSizeConsumeQueue=600000
CONF
}

proxy_settings() {
  cat <<CONF
{"rocketMQClusterName": "DefaultCluster", "proxyMode": "LOCAL", "grpcServerPort": 8081, "remotingListenPort": 8080,
 "namesrvAddr": "$NAMESRV_ADDR", "enableBatchAck": true}
CONF
}

program=${1:-broker}
shift || true
case $program in
name-server)
  printf 'listenPort=9876\nkvConfigPath=/data/kv.json\nconfigStorePath=/data/stored.conf\n' >/data/name-server.conf
  exec "${java[@]}" org.apache.rocketmq.namesrv.NamesrvStartup -c /data/name-server.conf "$@"
  ;;
broker)
  broker_settings >/data/broker.conf
  proxy_settings >/data/proxy.json
  # On a disk that is more than nine tenths full, as developers' disks are, it would refuse messages.
  exec "${java[@]}" -Drocketmq.broker.diskSpaceWarningLevelRatio=0.98 -Drocketmq.broker.diskSpaceCleanForciblyRatio=0.97 \
    -Dcom.rocketmq.proxy.home=/data org.apache.rocketmq.proxy.ProxyStartup -bc /data/broker.conf -pc /data/proxy.json -n "$NAMESRV_ADDR" "$@"
  ;;
admin) admin "$@" ;;
setup)
  for topic in ${TOPICS:-}; do until_success updateTopic -c DefaultCluster -t "$topic" -r 4 -w 4 -a +message.type=NORMAL; done
  for group in ${CONSUMER_GROUPS:-}; do until_success updateSubGroup -c DefaultCluster -g "$group"; done
  ;;
*)
  echo "unknown program $program: name-server, broker, admin or setup" >&2
  exit 2
  ;;
esac

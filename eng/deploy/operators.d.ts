// Objects of operators for which no package of types exists: the fields that deploy/ uses, and those beside them, after the operators' own definitions.
type Labels = { [name: string]: string };
type Metadata = { name: string; namespace?: string; labels?: Labels; annotations?: Labels };
type Quantities = { [resource: string]: string | number };
type Resources = { requests?: Quantities; limits?: Quantities };
type Toleration = { key?: string; operator?: "Exists" | "Equal"; value?: string; effect?: "NoSchedule" | "PreferNoSchedule" | "NoExecute"; tolerationSeconds?: number };
type Selector = { matchLabels?: Labels; matchExpressions?: { key: string; operator: "In" | "NotIn" | "Exists" | "DoesNotExist"; values?: string[] }[] };

export interface RabbitmqCluster {
  apiVersion: "rabbitmq.com/v1beta1";
  kind: "RabbitmqCluster";
  metadata: Metadata;
  spec: {
    replicas?: number;
    image?: string;
    imagePullSecrets?: { name: string }[];
    service?: { type?: "ClusterIP" | "LoadBalancer" | "NodePort"; annotations?: Labels };
    persistence?: { storageClassName?: string; storage?: string };
    resources?: Resources;
    tolerations?: Toleration[];
    rabbitmq?: { additionalPlugins?: string[]; additionalConfig?: string; advancedConfig?: string; envConfig?: string };
    tls?: { secretName?: string; caSecretName?: string; disableNonTLSListeners?: boolean };
    terminationGracePeriodSeconds?: number;
    secretBackend?: { externalSecret?: { name: string } };
  };
}

export interface Cluster {
  apiVersion: "postgresql.cnpg.io/v1";
  kind: "Cluster";
  metadata: Metadata;
  spec: {
    instances: number;
    imageName?: string;
    bootstrap?: { initdb?: { database?: string; owner?: string; secret?: { name: string }; encoding?: string } };
    certificates?: { serverTLSSecret?: string; serverCASecret?: string; clientCASecret?: string; replicationTLSSecret?: string; serverAltDNSNames?: string[] };
    storage?: { size?: string; storageClass?: string };
    walStorage?: { size?: string; storageClass?: string };
    resources?: Resources;
    postgresql?: { parameters?: Labels };
    monitoring?: { enablePodMonitor?: boolean };
  };
}

export interface ResourceFlavor {
  apiVersion: "kueue.x-k8s.io/v1beta1";
  kind: "ResourceFlavor";
  metadata: Metadata;
  spec?: { nodeLabels?: Labels; nodeTaints?: { key: string; value?: string; effect: string }[]; tolerations?: Toleration[]; topologyName?: string };
}

export interface ClusterQueue {
  apiVersion: "kueue.x-k8s.io/v1beta1";
  kind: "ClusterQueue";
  metadata: Metadata;
  spec: {
    resourceGroups?: {
      coveredResources: string[];
      flavors: { name: string; resources: { name: string; nominalQuota: string | number; borrowingLimit?: string | number; lendingLimit?: string | number }[] }[];
    }[];
    cohort?: string;
    queueingStrategy?: "StrictFIFO" | "BestEffortFIFO";
    namespaceSelector?: Selector;
    flavorFungibility?: { whenCanBorrow?: "Borrow" | "TryNextFlavor"; whenCanPreempt?: "Preempt" | "TryNextFlavor" };
    preemption?: {
      reclaimWithinCohort?: "Never" | "LowerPriority" | "Any";
      borrowWithinCohort?: { policy?: "Never" | "LowerPriority"; maxPriorityThreshold?: number };
      withinClusterQueue?: "Never" | "LowerPriority" | "LowerOrNewerEqualPriority";
    };
    stopPolicy?: "None" | "Hold" | "HoldAndDrain";
    fairSharing?: { weight?: string | number };
  };
}

export interface LocalQueue {
  apiVersion: "kueue.x-k8s.io/v1beta1";
  kind: "LocalQueue";
  metadata: Metadata;
  spec: { clusterQueue: string; stopPolicy?: "None" | "Hold" | "HoldAndDrain" };
}

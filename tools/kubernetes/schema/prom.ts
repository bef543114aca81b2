import { IPodMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor";
export interface Kinds { PodMonitor: IPodMonitor; }

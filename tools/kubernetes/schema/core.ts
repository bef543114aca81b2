import { IDeployment } from "kubernetes-models/apps/v1/Deployment";
import { IDaemonSet } from "kubernetes-models/apps/v1/DaemonSet";
import { IJob } from "kubernetes-models/batch/v1/Job";
import { IPod } from "kubernetes-models/v1/Pod";
import { IService } from "kubernetes-models/v1/Service";
import { IConfigMap } from "kubernetes-models/v1/ConfigMap";
import { ISecret } from "kubernetes-models/v1/Secret";
import { INamespace } from "kubernetes-models/v1/Namespace";
import { IPodDisruptionBudget } from "kubernetes-models/policy/v1/PodDisruptionBudget";
import { IHorizontalPodAutoscaler } from "kubernetes-models/autoscaling/v2/HorizontalPodAutoscaler";
import { INetworkPolicy } from "kubernetes-models/networking.k8s.io/v1/NetworkPolicy";
export interface Kinds { Deployment: IDeployment; DaemonSet: IDaemonSet; Job: IJob; Pod: IPod; Service: IService; ConfigMap: IConfigMap; Secret: ISecret; Namespace: INamespace; PodDisruptionBudget: IPodDisruptionBudget; HorizontalPodAutoscaler: IHorizontalPodAutoscaler; NetworkPolicy: INetworkPolicy; }

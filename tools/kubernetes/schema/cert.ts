import { ICertificate } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Certificate";
import { IIssuer } from "@kubernetes-models/cert-manager/cert-manager.io/v1/Issuer";
import { IClusterIssuer } from "@kubernetes-models/cert-manager/cert-manager.io/v1/ClusterIssuer";
import { IBundle } from "@kubernetes-models/cert-manager/trust.cert-manager.io/v1alpha1/Bundle";
export interface Kinds { Certificate: ICertificate; Issuer: IIssuer; ClusterIssuer: IClusterIssuer; Bundle: IBundle; }

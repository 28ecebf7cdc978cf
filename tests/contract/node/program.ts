// What a web page does, against the generated types: it compiles, and what the contract does not have does not.
import createClient from "openapi-fetch";
import type { components, paths } from "./openapi";

const client = createClient<paths>({ baseUrl: "https://api.blakjaks.com" });

export async function scan(token: string, code: string): Promise<components["schemas"]["ScanReceipt"]> {
  const { data, error, response } = await client.POST("/v1/scans/submit", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    headers: { Authorization: `Bearer ${token}` },
    body: { code, method: "qr" },
  });
  if (data) return data;
  const told: string = "title" in error ? error.title : error.message; // a function's words, or the gateway's
  throw new Error(`${response.status}: ${told}`);
}

export async function paid(token: string): Promise<components["schemas"]["Comp"][]> {
  const { data } = await client.GET("/v1/users/me/comps", {
    params: { query: { limit: 100, filter: "crypto" } },
    headers: { Authorization: `Bearer ${token}` },
  });
  return (data?.items ?? []).filter((comp) => comp.status === "paid" && comp.type !== "gold_chips");
}

export async function manufactured(token: string, file: Blob): Promise<number> {
  const { data } = await client.POST("/v1/admin/qr/import-feedback", {
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/octet-stream" },
    body: file as unknown as string,
    bodySerializer: (body) => body,
  });
  return data?.manufactured ?? 0;
}

export function wrong(): void {
  // @ts-expect-error: there is no such operation
  void client.GET("/v1/nothing");
  // @ts-expect-error: a scan without its code
  void client.POST("/v1/scans/submit", { body: {} });
  // @ts-expect-error: a list that knows no such filter
  void client.GET("/v1/users/me/comps", { params: { query: { filter: "gold" } } });
}

// What ./check holds the dashboard against: Grafana's own types, of the version in docker-compose.yml.
// The dashboard becomes the constant below, so that a member which no type has is an error, too.
import type { DataQuery } from './node_modules/@grafana/schema/dist/esm/common/common.gen';
import type { Dashboard, Panel, RowPanel } from './node_modules/@grafana/schema/dist/esm/raw/dashboard/x/dashboard_types.gen';
import type { Options as StatOptions } from './node_modules/@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type { Options as TableOptions, FieldConfig as TableField } from './node_modules/@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type { Options as GraphOptions, FieldConfig as GraphField } from './node_modules/@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

// JSON has texts and numbers where the types have enumerations.
type Plain<T> = T extends string ? `${T}` : T extends number ? number
  : T extends (infer U)[] ? Plain<U>[]
  : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

// The types leave open what a data source adds to queries and annotations. This is Prometheus'.
type Query = DataQuery & {
  expr: string; editorMode: 'code'; legendFormat?: string; range?: boolean; instant?: boolean;
  format?: 'table';
};
type Annotation = NonNullable<NonNullable<Dashboard['annotations']>['list']>[number] & {
  expr: string; titleFormat: string; textFormat: string; step: string;
};

type Config = NonNullable<Panel['fieldConfig']>;
type Fields<Custom> = Omit<Config, 'defaults'> & {
  defaults: Omit<Config['defaults'], 'custom'> & { custom?: Custom };
};
type Typed<Name, Options, Custom> = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Name; options: Options; fieldConfig: Fields<Custom>; targets: Query[];
};
type Ours = Typed<'stat', StatOptions, never>
  | Typed<'timeseries', Omit<GraphOptions, 'tooltip'> & { tooltip: Partial<GraphOptions['tooltip']> }, GraphField>
  | Typed<'table', Partial<TableOptions>, Partial<TableField>>
  | RowPanel;
type OurDashboard = Omit<Dashboard, 'panels' | 'annotations'> & {
  panels: Ours[]; annotations: { list: Annotation[] };
};

export const dashboard: Plain<OurDashboard> =

"""The algorithms by the name that `algorithm.kind` gives them."""

from fl.algorithms import analytic, fedavg, local, meta, personalized_fedavg, pfedme, reptile
from fl.algorithms.base import Kind

ALGORITHMS: dict[str, Kind] = {
    "meta": meta.KIND,
    "fedavg": fedavg.KIND,
    "reptile": reptile.KIND,
    "personalized_fedavg": personalized_fedavg.KIND,
    "pfedme": pfedme.KIND,
    "analytic": analytic.KIND,
    "local": local.KIND,
}
